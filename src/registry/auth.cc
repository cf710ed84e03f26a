#include "registry/auth.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/text.hh"
#include "base/time.hh"
#include "registry/refusal.hh"
#include "registry/route.hh"

#include <algorithm>

namespace hull::registry {

namespace {

constexpr std::int64_t token_life_s = 300, refresh_life_s = 90LL * 24 * 3600;
constexpr std::string_view refresh_audience = "hull-registry-refresh";
constexpr std::size_t max_form_bytes = 64 << 10;

std::int64_t now_s() { return now_ns() / 1'000'000'000; }

struct BasicLogin {
    std::string user, password;
};

std::optional<std::string_view> after_scheme(std::string_view header, std::string_view scheme) {
    if (header.size() <= scheme.size() || header[scheme.size()] != ' ' ||
        !http::equal_folded(header.substr(0, scheme.size()), scheme))
        return std::nullopt;
    return trim(header.substr(scheme.size() + 1));
}

std::optional<BasicLogin> find_basic(const http::Exchange& exchange) {
    const auto encoded = after_scheme(exchange.headers.get("Authorization"), "Basic");
    if (!encoded) return std::nullopt;
    const std::string text = decode_base64_text(*encoded).value_or("");
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos) return BasicLogin{};
    return BasicLogin{text.substr(0, colon), text.substr(colon + 1)};
}

/// What may stand in a URL of ours.
bool is_plain_host(std::string_view host) {
    return !host.empty() && host.size() < 300 && std::ranges::all_of(host, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '-' || c == ':' || c == '[' || c == ']';
    });
}

AuthOptions::Kind choose_kind(const AuthOptions& options, const AuthFiles& files) {
    using Kind = AuthOptions::Kind;
    if (options.kind != Kind::automatic) return options.kind;
    if (!files.token_keys.empty()) return Kind::token;
    if (files.htpasswd.empty()) return Kind::none;
    return files.rights.empty() ? Kind::basic : Kind::token;
}

}  // namespace

Auth::Auth(const AuthOptions& options, const AuthFiles& files,
           std::shared_ptr<const TokenKeys> own_keys)
    : options_(options),
      kind_(choose_kind(options, files)),
      accounts_(files.htpasswd.empty() ? nullptr : Accounts::parse(files.htpasswd)),
      rights_(files.rights.empty() ? Rights::everything(kind_ == AuthOptions::Kind::none)
                                   : Rights::parse(files.rights)) {
    using Kind = AuthOptions::Kind;
    if (kind_ == Kind::basic && !accounts_)
        throw Error(ErrorKind::invalid_argument, "--auth basic needs --htpasswd");
    if (!files.token_keys.empty()) {
        issuer_keys_ = TokenKeys::parse(files.token_keys);
        if (options_.realm.empty())
            throw Error(ErrorKind::invalid_argument,
                        "--token-keys needs --token-realm, the URL of the token server");
    } else if (kind_ == Kind::token) {
        if (!accounts_)
            throw Error(ErrorKind::invalid_argument,
                        "--auth token needs --htpasswd or --token-keys");
        own_keys_ = std::move(own_keys);
    }
}

std::string Auth::realm_for(const http::Exchange& exchange) const {
    if (!options_.realm.empty()) return options_.realm;
    const std::string_view host = exchange.headers.get("Host");
    const bool is_tls =
        options_.is_tls || exchange.headers.get("X-Forwarded-Proto") == std::string_view("https");
    return fmt::format("{}://{}/token", is_tls ? "https" : "http",
                       is_plain_host(host) ? host : "localhost");
}

void Auth::challenge(const http::Exchange& exchange, std::string_view scope, std::string_view error,
                     std::string_view message) const {
    std::string text;
    if (kind_ == AuthOptions::Kind::token) {
        text = fmt::format("Bearer realm=\"{}\",service=\"{}\"", realm_for(exchange),
                           options_.service);
        if (!scope.empty()) text += fmt::format(",scope=\"{}\"", scope);
        if (!error.empty()) text += fmt::format(",error=\"{}\"", error);
    } else {
        text = fmt::format("Basic realm=\"{}\"", options_.service);
    }
    throw Refusal(401, code::unauthorized, "{}", message).with_header("WWW-Authenticate", text);
}

Identity Auth::identify(const http::Exchange& exchange) const {
    using Kind = AuthOptions::Kind;
    if (kind_ == Kind::none) return {};
    const std::string_view header = exchange.headers.get("Authorization");
    if (header.empty()) return {};
    if (const auto token = after_scheme(header, "Bearer"); token && kind_ == Kind::token) {
        const TokenKeys& keys = issuer_keys_ ? *issuer_keys_ : *own_keys_;
        try {
            Claims claims = keys.verify(*token, options_.issuer, options_.service, now_s());
            std::string user = claims.subject;
            return {std::move(user), std::move(claims)};
        } catch (const Error& error) {
            challenge(exchange, "", "invalid_token", error.message());
        }
    }
    const auto basic = find_basic(exchange);
    if (!basic) challenge(exchange, "", "", "the Authorization header is of no use here");
    if (!accounts_ || !accounts_->check(basic->user, basic->password))
        challenge(exchange, "", "", "authentication required: unknown user or wrong password");
    return {basic->user, std::nullopt};
}

bool Auth::allow(const Identity& who, const std::string& repository, Right right) const {
    return who.claims ? who.claims->allow(repository, right)
                      : rights_.allow(who.user, repository, right);
}

bool Auth::lists(const Identity& who, const std::string& repository) const {
    // What an issuer elsewhere would allow we cannot know: it has let them see the catalog.
    return (who.claims && issuer_keys_) || rights_.allow(who.user, repository, Right::pull);
}

void Auth::require(const http::Exchange& exchange, const Identity& who,
                   const std::string& repository, Right right) const {
    using Kind = AuthOptions::Kind;
    if (allow(who, repository, right)) return;
    if (kind_ == Kind::none || (!who.claims && !who.user.empty()))
        throw Refusal(403, code::denied, "requested access to the resource is denied: {} {}",
                      to_string(right), repository);
    const std::string_view actions = right == Right::push ? "pull,push" : to_string(right);
    challenge(exchange, fmt::format("repository:{}:{}", repository, actions),
              who.claims ? "insufficient_scope" : "",
              fmt::format("authentication required: {} {}", to_string(right), repository));
}

void Auth::require_login(const http::Exchange& exchange, const Identity& who) const {
    if (kind_ == AuthOptions::Kind::none || who.claims || !who.user.empty()) return;
    challenge(exchange, "", "", "authentication required");
}

void Auth::require_catalog(const http::Exchange& exchange, const Identity& who) const {
    if (kind_ == AuthOptions::Kind::none || (!who.claims && !who.user.empty())) return;
    if (who.claims && who.claims->allow_catalog()) return;
    challenge(exchange, "registry:catalog:*", who.claims ? "insufficient_scope" : "",
              "authentication required: catalog");
}

json::Array Auth::granted_access(const std::string& user, const std::string& scopes) const {
    json::Array access;
    for (const std::string& scope : split_nonempty(scopes, ' ')) {
        const std::size_t first = scope.find(':'), last = scope.rfind(':');
        if (first == std::string::npos || first == last) continue;
        const std::string type = scope.substr(0, scope.find('('));
        const std::string name = scope.substr(first + 1, last - first - 1);
        const std::string kind = type.substr(0, type.find(':'));
        std::vector<std::string> actions;
        for (const std::string& action : split_nonempty(scope.substr(last + 1), ',')) {
            const auto right = find_right(action);
            if (kind == "repository" && right && is_valid_repository(name) &&
                rights_.allow(user, name, *right))
                actions.push_back(action);
            if (kind == "repository" && action == "*" && rights_.allow(user, name, Right::pull) &&
                rights_.allow(user, name, Right::push) && rights_.allow(user, name, Right::remove))
                actions.insert(actions.end(), {"pull", "push", "delete"});
            if (kind == "registry" && name == "catalog" && action == "*" && !user.empty())
                actions.push_back(action);
        }
        access.push_back(json::Object{{"type", kind}, {"name", name}, {"actions", actions}});
    }
    return access;
}

std::string Auth::make_token(const std::string& user, json::Array access, std::int64_t now) const {
    return own_keys_->sign(json::Object{{"iss", options_.issuer},
                                        {"sub", user},
                                        {"aud", options_.service},
                                        {"exp", now + token_life_s},
                                        {"nbf", now},
                                        {"iat", now},
                                        {"jti", random_hex(16)},
                                        {"access", std::move(access)}});
}

/// Ends with the user's password: its fingerprint is inside.
std::string Auth::make_refresh_token(const std::string& user, std::int64_t now) const {
    return own_keys_->sign(json::Object{{"iss", options_.issuer},
                                        {"sub", user},
                                        {"aud", refresh_audience},
                                        {"exp", now + refresh_life_s},
                                        {"iat", now},
                                        {"password", accounts_->fingerprint(user)}});
}

std::string Auth::check_refresh_token(const std::string& token) const {
    const Claims claims = own_keys_->verify(token, options_.issuer, refresh_audience, now_s());
    const std::string fingerprint = accounts_->fingerprint(claims.subject);
    if (fingerprint.empty() || !(claims.document["password"] == json::Value(fingerprint)))
        throw Error(ErrorKind::unauthorized, "the password has changed: log in again");
    return claims.subject;
}

http::Response Auth::issue_token(http::Exchange& exchange) const {
    const bool is_post = exchange.method == "POST";
    http::Query form = exchange.query;
    if (is_post) form = http::parse_query(exchange.read_body_text(max_form_bytes));
    const auto get = [&](std::string_view name) -> std::string {
        for (const auto& [key, value] : form)
            if (key == name) return value;
        return "";
    };
    std::string scopes, user;
    for (const auto& [key, value] : form)
        if (key == "scope") scopes += value + " ";
    const auto refuse = [&](std::string_view why) {
        throw Refusal(401, code::unauthorized, "{}", why)
            .with_header("WWW-Authenticate", fmt::format("Basic realm=\"{}\"", options_.service));
    };
    const auto check = [&](const std::string& name, const std::string& password) {
        if (!accounts_->check(name, password)) refuse("unknown user or wrong password");
        user = name;
    };
    bool wants_refresh = get("offline_token") == "true" || get("access_type") == "offline";
    const auto basic = find_basic(exchange);
    if (is_post && get("grant_type") == "refresh_token") {
        try {
            user = check_refresh_token(get("refresh_token"));
        } catch (const Error& error) {
            refuse(error.message());
        }
        wants_refresh = true;
    } else if (is_post && get("grant_type") == "password") {
        check(get("username"), get("password"));
    } else if (is_post) {
        throw Refusal(400, code::unsupported, "grant_type is neither password nor refresh_token");
    } else if (basic) {
        check(basic->user, basic->password);
    }
    const std::string service = get("service");
    if (!service.empty() && service != options_.service)
        throw Refusal(400, code::unsupported, "tokens are for the service {} only",
                      options_.service);
    const std::int64_t now = now_s();
    const std::string token = make_token(user, granted_access(user, scopes), now);
    json::Object reply{{"token", token},
                       {"access_token", token},
                       {"expires_in", token_life_s},
                       {"issued_at", format_rfc3339(now * 1'000'000'000)}};
    if (wants_refresh && !user.empty()) reply["refresh_token"] = make_refresh_token(user, now);
    http::Response response = http::Response::json(std::move(reply));
    response.headers.set("Cache-Control", "no-store");
    return response;
}

}  // namespace hull::registry
