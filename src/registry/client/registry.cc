#include "registry/client/registry.hh"

#include "base/json.hh"
#include "base/text.hh"
#include "base/time.hh"
#include "oci/manifest.hh"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <ctime>

namespace hull::registry_client {

namespace {

constexpr std::size_t max_error_bytes = 64UL << 10, max_token_bytes = 1UL << 20,
                      max_manifest_bytes = 4UL << 20, max_tags_bytes = 4UL << 20,
                      max_tags = 100'000;
constexpr std::int64_t default_token_seconds = 60, second_ns = 1'000'000'000;
constexpr int longest_pause_ms = 60'000;

std::string accepted_types() {
    std::string types;
    for (const std::string_view type :
         {oci::media_type::docker_manifest, oci::media_type::docker_list,
          oci::media_type::oci_index, oci::media_type::oci_manifest}) {
        if (!types.empty()) types += ", ";
        types += type;
    }
    return types + ", application/vnd.docker.distribution.manifest.v1+prettyjws, application/json";
}

/// Foreign text for a message: one line, no control characters, not long.
std::string clean(std::string_view text) {
    std::string line(text.substr(0, 500));
    for (char& c : line)
        if (static_cast<unsigned char>(c) < ' ' || c == 127) c = ' ';
    return std::string(trim(line));
}

ErrorKind kind_of_reply(int status) {
    switch (status) {
        case 400: return ErrorKind::invalid_argument;
        case 401: return ErrorKind::unauthorized;
        case 403: return ErrorKind::forbidden;
        case 404: return ErrorKind::not_found;
        case 409: return ErrorKind::conflict;
        default:
            return status >= 500 || status == 429 ? ErrorKind::unavailable : ErrorKind::internal;
    }
}

/// Seconds, or a date.
int pause_of(std::string_view retry_after) {
    int seconds = 0;
    const auto [end, error] =
        std::from_chars(retry_after.data(), retry_after.data() + retry_after.size(), seconds);
    if (error == std::errc() && end == retry_after.data() + retry_after.size())
        return std::clamp(seconds, 0, longest_pause_ms / 1000) * 1000;
    std::tm date{};
    if (::strptime(std::string(retry_after).c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date) == nullptr)
        return -1;
    const std::int64_t left = ::timegm(&date) - now_ns() / second_ns;
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, longest_pause_ms / 1000)) * 1000;
}

/// What `Retry-After` of the last refusal in this thread asked for, -1 when nothing.
thread_local int asked_pause_ms = -1;

}  // namespace

bool is_transient(const Error& error) {
    if (const auto* reply = dynamic_cast<const ReplyError*>(&error))
        return reply->status() == 429 || reply->status() == 408 || reply->status() >= 500;
    switch (error.error_number()) {
        case ECONNRESET:
        case ETIMEDOUT:
        case EPIPE: return true;
        default: return false;
    }
}

void with_retries(unsigned attempts, const std::function<void()>& attempt) {
    int pause_ms = 200;
    for (unsigned i = 1;; ++i) {
        asked_pause_ms = -1;
        try {
            return attempt();
        } catch (const Error& error) {
            if (i >= attempts || !is_transient(error)) throw;
        }
        const int wait_ms = asked_pause_ms >= 0 ? asked_pause_ms : pause_ms;
        pause_ms = std::min(2 * pause_ms, 5000);
        const timespec pause{wait_ms / 1000, (wait_ms % 1000) * 1'000'000L};
        ::nanosleep(&pause, nullptr);
    }
}

Registry::Registry(HttpClient& client, const Configuration& configuration, Endpoint endpoint)
    : client_(client),
      configuration_(configuration),
      endpoint_(std::move(endpoint)),
      elsewhere_(configuration.material_for("")),
      base_(endpoint_.base) {}

std::string Registry::scope(const std::string& repository, std::string_view actions) {
    return "repository:" + repository + ":" + std::string(actions);
}

Url Registry::url(std::string_view path) const {
    if (path.find("://") != std::string_view::npos) return parse_url(path);
    Url url = base_;
    url.target += path;
    return url;
}

void Registry::refuse(Response& response) {
    std::string code, message;
    asked_pause_ms = pause_of(response.headers.get("Retry-After"));
    std::string text;
    try {
        text = response.read_text(max_error_bytes);
        const json::Value body = json::parse(text);
        const json::Value& first = body["errors"].is_array() && !body["errors"].as_array().empty()
                                       ? body["errors"].as_array().front()
                                       : body;
        if (first["code"].is_string()) code = first["code"].as_string();
        for (const char* member : {"message", "details", "error_description", "error"})
            if (message.empty() && first[member].is_string()) message = first[member].as_string();
    } catch (const Error&) {
        // No JSON: the status has to do.
    }
    const ErrorKind kind = kind_of_reply(response.status);
    if (code.empty() && message.empty())
        throw ReplyError(kind, response.status, "",
                         fmt::format("received unexpected HTTP status: {} {}", response.status,
                                     http::status_text(response.status)));
    std::string words = lower(clean(code));
    std::replace(words.begin(), words.end(), '_', ' ');
    message = clean(message);
    throw ReplyError(kind, response.status, clean(code),
                     words.empty()     ? message
                     : message.empty() ? words
                                       : words + ": " + message);
}

/// `Warning: 299 - "text"`. Source: distribution-spec, "Warnings".
void Registry::tell_warnings(const http::Headers& headers) {
    constexpr std::string_view prefix = "299 - \"";
    constexpr std::size_t most = 10;
    if (!configuration_.on_warning) return;
    for (const auto& [name, value] : headers) {
        if (!http::equal_folded(name, "Warning") || !value.starts_with(prefix)) continue;
        std::string text;
        for (std::size_t i = prefix.size(); i < value.size() && value[i] != '"'; ++i) {
            if (value[i] == '\\' && i + 1 < value.size()) ++i;
            text += value[i];
        }
        text = clean(text);
        {
            const std::lock_guard lock(mutex_);
            if (told_warnings_.size() == most || !told_warnings_.insert(text).second) continue;
        }
        configuration_.on_warning(text);
    }
}

void Registry::take_challenges(const http::Headers& headers) {
    for (const auto& [name, value] : headers) {
        if (!http::equal_folded(name, "WWW-Authenticate")) continue;
        for (Challenge& challenge : parse_challenges(value)) {
            if (challenge.scheme == "bearer" && challenge.parameters.contains("realm")) {
                method_ = Method::bearer;
                bearer_ = std::move(challenge);
            } else if (challenge.scheme == "basic" && method_ != Method::bearer) {
                method_ = Method::basic;
            }
        }
    }
}

void Registry::ping() {
    const std::lock_guard lock(mutex_);
    if (pinged_) return;
    const auto ask = [&] {
        Request request;
        request.url = url("v2/");
        request.headers.add("User-Agent", configuration_.user_agent);
        Response response = client_.follow(request, endpoint_.tls);
        response.read_text(max_error_bytes);
        if (response.status / 100 == 5 || response.status == 429) refuse(response);
        if (response.status == 401) take_challenges(response.headers);
    };
    try {
        with_retries(endpoint_.may_be_plain ? 1 : configuration_.attempts, ask);
    } catch (const Error& error) {
        if (!endpoint_.may_be_plain || !base_.is_https() ||
            dynamic_cast<const ReplyError*>(&error) != nullptr)
            throw;
        base_.scheme = "http";
        if (endpoint_.base.port == 443) base_.port = 80;
        with_retries(configuration_.attempts, ask);
    }
    pinged_ = true;
}

std::string Registry::fetch_token(const Challenge& challenge,
                                  const std::vector<std::string>& scopes,
                                  std::string* refresh_token) {
    const auto parameter = [&](const char* name) {
        const auto found = challenge.parameters.find(name);
        return found == challenge.parameters.end() ? std::string() : found->second;
    };
    Request request;
    request.url = with_context([&] { return parse_url(parameter("realm")); },
                               "the token service that {} names", base_.authority());
    const Credentials& credentials = endpoint_.credentials;
    if (base_.is_https() && !request.url.is_https() && endpoint_.tls.verify && !credentials.empty())
        throw Error(ErrorKind::forbidden,
                    "{} wants the credentials sent unencrypted to {}: refused", base_.authority(),
                    request.url.origin());
    request.headers.add("User-Agent", configuration_.user_agent);
    http::Query query;
    if (const std::string service = parameter("service"); !service.empty())
        query.emplace_back("service", service);
    for (const std::string& scope : scopes) query.emplace_back("scope", scope);
    if (!credentials.identity_token.empty()) {
        query.emplace_back("grant_type", "refresh_token");
        query.emplace_back("client_id", "docker");
        query.emplace_back("refresh_token", credentials.identity_token);
        request.method = "POST";
        request.headers.add("Content-Type", "application/x-www-form-urlencoded");
        request.body = http::format_query(query).substr(1);
    } else {
        if (!credentials.username.empty()) {
            query.emplace_back("account", credentials.username);
            if (refresh_token) {
                query.emplace_back("client_id", "docker");
                query.emplace_back("offline_token", "true");
            }
            request.headers.add("Authorization", credentials.basic());
        }
        std::string text = http::format_query(query);
        if (request.url.target.find('?') != std::string::npos && !text.empty()) text[0] = '&';
        request.url.target += text;
    }
    std::string token;
    std::int64_t seconds = default_token_seconds;
    with_retries(configuration_.attempts, [&] {
        Response response = client_.follow(request, endpoint_.tls);
        if (response.status / 100 != 2) {
            try {
                refuse(response);
            } catch (ReplyError& error) {
                error.add_context(
                    fmt::format("{} token", describe_request(request.method, request.url)));
                throw;
            }
        }
        with_context(
            [&] {
            const json::Value body = json::parse(response.read_text(max_token_bytes));
            for (const char* name : {"access_token", "token"})
                if (body[name].is_string() && !body[name].as_string().empty())
                    token = body[name].as_string();
            if (body["expires_in"].is_number()) seconds = body["expires_in"].as_int();
            if (refresh_token && body["refresh_token"].is_string())
                *refresh_token = body["refresh_token"].as_string();
            if (token.empty() || token.find_first_of("\r\n") != std::string::npos)
                throw Error(ErrorKind::unavailable,
                            "authorization server did not include a token "
                            "in the response");
            },
            "{}", describe_request(request.method, request.url));
    });
    std::string key;
    for (const std::string& scope : scopes) key += scope + " ";
    seconds = std::clamp<std::int64_t>(seconds, default_token_seconds, 3600);
    tokens_[key] = {token, monotonic_ns() + (seconds - 10) * second_ns};
    return token;
}

void Registry::forget_token(const std::vector<std::string>& scopes) {
    std::string key;
    for (const std::string& scope : scopes) key += scope + " ";
    tokens_.erase(key);
}

/// The header's value for a request, "" for none.
std::string Registry::authorization(const std::vector<std::string>& scopes) {
    const std::lock_guard lock(mutex_);
    const Credentials& credentials = endpoint_.credentials;
    if (!credentials.registry_token.empty()) return "Bearer " + credentials.registry_token;
    if (method_ == Method::none) return "";
    if (method_ == Method::basic) {
        if (credentials.username.empty())
            throw Error(ErrorKind::unauthorized, "no basic auth credentials");
        return credentials.basic();
    }
    std::string key;
    for (const std::string& scope : scopes) key += scope + " ";
    if (const auto found = tokens_.find(key);
        found != tokens_.end() && found->second.expires_ns > monotonic_ns())
        return "Bearer " + found->second.text;
    return "Bearer " + fetch_token(bearer_, scopes);
}

Response Registry::call(const std::function<Request()>& make_request,
                        const std::vector<std::string>& scopes, bool follow) {
    ping();
    for (bool again = false;; again = true) {
        Request request = make_request();
        if (!request.headers.find("User-Agent"))
            request.headers.add("User-Agent", configuration_.user_agent);
        if (request.url.same_origin(base_)) {
            try {
                if (std::string value = authorization(scopes); !value.empty())
                    request.headers.set("Authorization", std::move(value));
            } catch (Error& error) {
                error.add_context(describe_request(request.method, request.url));
                throw;
            }
        }
        Response response = follow ? client_.follow(std::move(request), endpoint_.tls)
                                   : client_.send(request, endpoint_.tls);
        tell_warnings(response.headers);
        if (response.status != 401 || again) return response;
        // The token was too old or too narrow, or the ping did not say that one is needed.
        const std::lock_guard lock(mutex_);
        const Method before = method_;
        take_challenges(response.headers);
        if (method_ == Method::none || (method_ == Method::basic && before == Method::basic))
            return response;
        forget_token(scopes);
    }
}

LoginResult Registry::check_login() {
    ping();
    LoginResult result;
    if (method_ == Method::bearer && endpoint_.credentials.registry_token.empty()) {
        const std::lock_guard lock(mutex_);
        fetch_token(bearer_, {}, &result.identity_token);
    }
    Response response = call(
        [&] {
        Request request;
        request.url = url("v2/");
        return request;
        },
        {}, true);
    if (response.status / 100 != 2) refuse(response);
    return result;
}

Response Registry::get(const std::string& path, const std::string& repository,
                       const http::Headers& headers, const std::string& method) {
    Response response = call(
        [&] {
        Request request;
        request.method = method;
        request.url = url(path);
        request.headers = headers;
        return request;
        },
        {scope(repository, "pull")}, true);
    if (response.status / 100 != 2) refuse(response);
    return response;
}

std::optional<oci::Digest> Registry::find_digest(const std::string& repository,
                                                 const std::string& reference) {
    std::optional<oci::Digest> digest;
    with_retries(configuration_.attempts, [&] {
        Response response = get("v2/" + repository + "/manifests/" + reference, repository,
                                {{"Accept", accepted_types()}}, "HEAD");
        digest = oci::Digest::find(response.headers.get("Docker-Content-Digest"));
    });
    return digest;
}

Document Registry::get_manifest(const std::string& repository, const std::string& reference) {
    Document document;
    with_retries(configuration_.attempts, [&] {
        Response response = get("v2/" + repository + "/manifests/" + reference, repository,
                                {{"Accept", accepted_types()}});
        document.text =
            with_context([&] { return response.read_text(max_manifest_bytes); }, "the manifest");
        document.media_type = response.headers.get("Content-Type");
        document.media_type = trim(document.media_type.substr(0, document.media_type.find(';')));
        const auto wanted = oci::Digest::find(reference);
        const auto said = oci::Digest::find(response.headers.get("Docker-Content-Digest"));
        document.digest = oci::Digest::of(document.text, wanted.value_or(oci::Digest()));
        for (const auto& expected : {wanted, said}) {
            if (!expected) continue;
            if (const auto actual = oci::Digest::of(document.text, *expected); actual != *expected)
                throw Error(ErrorKind::data_loss, "the manifest hashes to {} instead of {}",
                            actual.str(), expected->str());
        }
    });
    return document;
}

/// Link: </v2/x/tags/list?last=…>; rel="next". "" at the last page, or when it leads elsewhere.
std::string Registry::next_page(const Response& response) const {
    const std::string link(response.headers.get("Link"));
    const std::size_t begin = link.find('<'), end = link.find('>');
    if (begin == std::string::npos || end == std::string::npos || begin > end ||
        link.find("next", end) == std::string::npos)
        return "";
    const Url next = resolve_url(response.url, link.substr(begin + 1, end - begin - 1));
    return next.same_origin(base_) ? next.str() : "";
}

std::vector<oci::Descriptor> Registry::list_referrers(const std::string& repository,
                                                      const oci::Digest& subject,
                                                      const std::string& artifact_type) {
    std::vector<oci::Descriptor> referrers;
    const auto take = [&](const std::string& text) {
        for (oci::Descriptor& entry : oci::parse_index(text, oci::media_type::oci_index).manifests)
            if (artifact_type.empty() || entry.artifact_type == artifact_type)
                referrers.push_back(std::move(entry));
        if (referrers.size() > max_tags)
            throw Error(ErrorKind::invalid_argument, "{} has more than {} referrers", subject.str(),
                        max_tags);
    };
    std::string path = "v2/" + repository + "/referrers/" + subject.str();
    if (!artifact_type.empty()) path += http::format_query({{"artifactType", artifact_type}});
    try {
        while (!path.empty())
            with_retries(configuration_.attempts, [&] {
                Response response =
                    get(path, repository, {{"Accept", std::string(oci::media_type::oci_index)}});
                take(response.read_text(max_manifest_bytes));
                path = next_page(response);
            });
        return referrers;
    } catch (const ReplyError& error) {
        if (error.status() != 404) throw;
    }
    std::string tag = subject.str();
    std::replace(tag.begin(), tag.end(), ':', '-');
    try {
        take(get_manifest(repository, tag).text);
    } catch (const ReplyError& error) {
        if (error.status() != 404) throw;  // without the tag there are none
    }
    return referrers;
}

std::vector<std::string> Registry::list_tags(const std::string& repository) {
    std::vector<std::string> tags;
    std::string path = "v2/" + repository + "/tags/list";
    while (!path.empty()) {
        with_retries(configuration_.attempts, [&] {
            Response response = get(path, repository, {});
            const json::Value body = json::parse(response.read_text(max_tags_bytes));
            for (const std::string& tag : body["tags"].as_strings()) tags.push_back(tag);
            path = next_page(response);
        });
        if (tags.size() > max_tags)
            throw Error(ErrorKind::invalid_argument, "{} has more than {} tags", repository,
                        max_tags);
    }
    return tags;
}

Response Registry::open_blob(const std::string& repository, const oci::Digest& digest,
                             std::uint64_t offset) {
    http::Headers headers;
    if (offset > 0) headers.add("Range", fmt::format("bytes={}-", offset));
    return get("v2/" + repository + "/blobs/" + digest.str(), repository, headers);
}

Response Registry::open_elsewhere(const std::string& address, std::uint64_t offset) {
    Request request;
    request.url = parse_url(address);
    request.headers.add("User-Agent", configuration_.user_agent);
    if (offset > 0) request.headers.add("Range", fmt::format("bytes={}-", offset));
    Response response = client_.follow(std::move(request), elsewhere_);
    if (response.status / 100 != 2) refuse(response);
    return response;
}

std::string Registry::get_blob(const std::string& repository, const oci::Digest& digest,
                               std::uint64_t size) {
    std::string text;
    with_retries(configuration_.attempts, [&] {
        Response response = open_blob(repository, digest, 0);
        text = response.read_text(size);
        if (text.size() != size)
            throw Error(ErrorKind::data_loss, "{} bytes instead of {}", text.size(), size);
        if (const oci::Digest actual = oci::Digest::of(text, digest); actual != digest)
            throw Error(ErrorKind::data_loss, "hashes to {}", actual.str());
    });
    return text;
}

}  // namespace hull::registry_client
