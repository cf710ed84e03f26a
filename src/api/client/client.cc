#include "api/client/client.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "base/text.hh"

#include <sys/socket.h>

namespace hull::client {

namespace {

std::string socket_path(const std::string& host) {
    static constexpr std::string_view unix_scheme = "unix://";
    if (host.starts_with(unix_scheme)) return host.substr(unix_scheme.size());
    if (host.starts_with('/')) return host;
    throw Error(ErrorKind::unsupported, "host {} is not supported yet: use unix:///path", host);
}

std::string segment(const std::string& name) { return http::encode_percent(name); }

/// Image names keep their slashes.
std::string image_segment(const std::string& name) {
    std::string text;
    std::size_t start = 0;
    for (;;) {
        const std::size_t slash = name.find('/', start);
        text += http::encode_percent(std::string_view(name).substr(
            start, slash == std::string::npos ? slash : slash - start));
        if (slash == std::string::npos) return text;
        text += '/';
        start = slash + 1;
    }
}

void add_flag(http::Query& query, const char* name, bool value) {
    if (value) query.emplace_back(name, "1");
}

void add_text(http::Query& query, const char* name, const std::string& value) {
    if (!value.empty()) query.emplace_back(name, value);
}

void add_filters(http::Query& query, const Filters& filters) {
    if (!filters.empty()) query.emplace_back("filters", format_filters(filters));
}

Error error_of(int status, std::string_view body) {
    return Error(kind_of_status(status), "{}", error_message(body));
}

std::function<std::size_t(std::span<std::byte>)> read_from(int input) {
    return [input](std::span<std::byte> buffer) { return sys::read(input, buffer); };
}

}  // namespace

void read_progress(http::ClientResponse& response,
                   const std::function<void(const api::ProgressMessage&)>& sink) {
    std::string line;
    while (response.read_line(line)) {
        if (line.empty() || line == "\r") continue;
        const auto message = api::parse<api::ProgressMessage>(json::parse(line));
        if (!message.error.empty()) {
            const int status = static_cast<int>(message.error_code);
            throw Error(kind_of_status(status ? status : 500), "{}", message.error);
        }
        sink(message);
    }
}

std::string format_filters(const Filters& filters) {
    json::Object object;
    for (const auto& [name, values] : filters) object.append(name, json::Value(values));
    return json::dump(object);
}

std::string error_message(std::string_view body) {
    while (!body.empty() && (body.back() == '\n' || body.back() == '\r')) body.remove_suffix(1);
    try {
        const json::Value value = json::parse(body);
        if (value.is_object() && value["message"].is_string()) return value["message"].as_string();
    } catch (const Error&) {
        // Not JSON: old daemons and proxies reply with text.
    }
    return body.empty() ? "the daemon replied with an error without a message" : std::string(body);
}

Client::Client(const std::string& host, std::string api_version)
    : http_(socket_path(host)), prefix_(api_version.empty() ? "" : "/v" + api_version) {}

Client::Client(http::Connector connector, std::string api_version)
    : http_(std::move(connector)), prefix_(api_version.empty() ? "" : "/v" + api_version) {}

std::string Client::target(const std::string& path, const http::Query& query) const {
    return prefix_ + path + http::format_query(query);
}

http::ClientRequest Client::make_request(const std::string& method, const std::string& path,
                                         const http::Query& query,
                                         const std::optional<json::Value>& body) const {
    http::ClientRequest request{.method = method,
                                .target = target(path, query),
                                .headers = headers_,
                                .body = {},
                                .body_source = {}};
    if (body) {
        request.body = json::dump(*body);
        request.headers.add("Content-Type", "application/json");
    }
    return request;
}

http::ClientResponse Client::checked(http::ClientResponse response) {
    if (response.status >= 400) throw error_of(response.status, response.read_all(1 << 20));
    return response;
}

http::ClientResponse Client::request(const std::string& method, const std::string& path,
                                     const http::Query& query,
                                     const std::optional<json::Value>& body) {
    return checked(http_.request(make_request(method, path, query, body)));
}

http::ClientResponse Client::request_with(const http::Headers& headers, const std::string& method,
                                          const std::string& path, const http::Query& query) {
    http::ClientRequest request = make_request(method, path, query);
    for (const auto& [name, value] : headers) request.headers.add(name, value);
    return checked(http_.request(request));
}

http::PendingResponse Client::start_get(const std::string& path, const http::Query& query) {
    return http_.start(make_request("GET", path, query));
}

http::ClientResponse Client::finish(http::PendingResponse pending) {
    return checked(pending.receive());
}

http::ClientResponse Client::upload(const std::string& method, const std::string& path,
                                    const http::Query& query, const std::string& content_type,
                                    std::function<std::size_t(std::span<std::byte>)> source) {
    http::ClientRequest request = make_request(method, path, query);
    request.headers.add("Content-Type", content_type);
    request.body_source = std::move(source);
    return checked(http_.request(request));
}

json::Value Client::get(const std::string& path, const http::Query& query) {
    return json::parse(request("GET", path, query).read_all());
}

json::Value Client::post(const std::string& path, const http::Query& query,
                         const std::optional<json::Value>& body) {
    const std::string text = request("POST", path, query, body).read_all();
    return text.empty() ? json::Value() : json::parse(text);
}

json::Value Client::remove(const std::string& path, const http::Query& query) {
    const std::string text = request("DELETE", path, query).read_all();
    return text.empty() ? json::Value() : json::parse(text);
}

Connection Client::upgrade(const std::string& path, const http::Query& query,
                           const std::optional<json::Value>& body) {
    const http::ClientRequest request = make_request("POST", path, query, body);
    std::string refusal;
    http::Upgraded upgraded = http_.upgrade(request, refusal);
    if (!upgraded.fd) throw error_of(upgraded.status, refusal);
    const std::string_view type = upgraded.headers.get("Content-Type");
    return {std::move(upgraded.fd), type.find("multiplexed") != std::string_view::npos};
}

api::SystemVersion Client::version() { return api::parse<api::SystemVersion>(get("/version")); }
api::SystemInfo Client::info() { return api::parse<api::SystemInfo>(get("/info")); }

api::CreateResponse Client::create_container(const api::CreateRequest& request,
                                             const std::string& name, const std::string& platform) {
    http::Query query;
    add_text(query, "name", name);
    add_text(query, "platform", platform);
    return api::parse<api::CreateResponse>(post("/containers/create", query, to_json(request)));
}

bool Client::start_container(const std::string& id, const std::string& detach_keys) {
    http::Query query;
    add_text(query, "detachKeys", detach_keys);
    return request("POST", "/containers/" + segment(id) + "/start", query).status != 304;
}

bool Client::stop_container(const std::string& id, const std::string& signal,
                            std::optional<int> timeout_s) {
    http::Query query;
    add_text(query, "signal", signal);
    if (timeout_s) query.emplace_back("t", std::to_string(*timeout_s));
    return request("POST", "/containers/" + segment(id) + "/stop", query).status != 304;
}

void Client::kill_container(const std::string& id, const std::string& signal) {
    http::Query query;
    add_text(query, "signal", signal);
    post("/containers/" + segment(id) + "/kill", query);
}

void Client::remove_container(const std::string& id, bool force, bool volumes) {
    http::Query query;
    add_flag(query, "force", force);
    add_flag(query, "v", volumes);
    remove("/containers/" + segment(id), query);
}

void Client::resize_container(const std::string& id, unsigned rows, unsigned columns) {
    post("/containers/" + segment(id) + "/resize",
         {{"h", std::to_string(rows)}, {"w", std::to_string(columns)}});
}

Connection Client::attach_container(const std::string& id, const AttachOptions& options) {
    http::Query query;
    add_flag(query, "logs", options.logs);
    add_flag(query, "stream", options.stream);
    add_flag(query, "stdin", options.use_stdin);
    add_flag(query, "stdout", options.use_stdout);
    add_flag(query, "stderr", options.use_stderr);
    add_text(query, "detachKeys", options.detach_keys);
    return upgrade("/containers/" + segment(id) + "/attach", query);
}

std::vector<api::ContainerSummary> Client::list_containers(bool all, int limit, bool size,
                                                           const Filters& filters) {
    http::Query query;
    add_flag(query, "all", all);
    if (limit > 0) query.emplace_back("limit", std::to_string(limit));
    add_flag(query, "size", size);
    add_filters(query, filters);
    return api::parse_array<api::ContainerSummary>(get("/containers/json", query));
}

json::Value Client::inspect_container_json(const std::string& id, bool size) {
    http::Query query;
    add_flag(query, "size", size);
    return get("/containers/" + segment(id) + "/json", query);
}

api::ContainerInspect Client::inspect_container(const std::string& id) {
    return api::parse<api::ContainerInspect>(inspect_container_json(id));
}

http::ClientResponse Client::start_wait(const std::string& id, const std::string& condition) {
    http::Query query;
    add_text(query, "condition", condition);
    return request("POST", "/containers/" + segment(id) + "/wait", query);
}

api::WaitResponse Client::finish_wait(http::ClientResponse& response) {
    return api::parse<api::WaitResponse>(json::parse(response.read_all()));
}

http::ClientResponse Client::container_logs(const std::string& id, const LogsOptions& options) {
    http::Query query;
    add_flag(query, "stdout", options.use_stdout);
    add_flag(query, "stderr", options.use_stderr);
    add_flag(query, "follow", options.follow);
    add_flag(query, "timestamps", options.timestamps);
    add_flag(query, "details", options.details);
    add_text(query, "since", options.since);
    add_text(query, "until", options.until);
    add_text(query, "tail", options.tail);
    return request("GET", "/containers/" + segment(id) + "/logs", query);
}

std::string Client::create_exec(const std::string& container,
                                const api::ExecCreateRequest& request_body) {
    return post("/containers/" + segment(container) + "/exec", {}, to_json(request_body))["Id"]
        .as_string();
}

Connection Client::start_exec(const std::string& id, const api::ExecStartRequest& request_body) {
    return upgrade("/exec/" + segment(id) + "/start", {}, to_json(request_body));
}

void Client::start_exec_detached(const std::string& id, bool tty) {
    const api::ExecStartRequest body{.detach = true, .tty = tty, .console_size = {}};
    request("POST", "/exec/" + segment(id) + "/start", {}, to_json(body)).read_all();
}

api::ExecInspect Client::inspect_exec(const std::string& id) {
    return api::parse<api::ExecInspect>(get("/exec/" + segment(id) + "/json"));
}

void Client::resize_exec(const std::string& id, unsigned rows, unsigned columns) {
    post("/exec/" + segment(id) + "/resize",
         {{"h", std::to_string(rows)}, {"w", std::to_string(columns)}});
}

std::vector<api::ImageSummary> Client::list_images(bool all, const Filters& filters, bool digests) {
    http::Query query;
    add_flag(query, "all", all);
    add_flag(query, "digests", digests);
    add_filters(query, filters);
    return api::parse_array<api::ImageSummary>(get("/images/json", query));
}

json::Value Client::inspect_image_json(const std::string& name, const std::string& platform) {
    http::Query query;
    add_text(query, "platform", platform);
    return get("/images/" + image_segment(name) + "/json", query);
}

std::vector<api::HistoryItem> Client::image_history(const std::string& name,
                                                    const std::string& platform) {
    http::Query query;
    add_text(query, "platform", platform);
    return api::parse_array<api::HistoryItem>(
        get("/images/" + image_segment(name) + "/history", query));
}

void Client::tag_image(const std::string& name, const std::string& repository,
                       const std::string& tag) {
    http::Query query{{"repo", repository}};
    add_text(query, "tag", tag);
    request("POST", "/images/" + image_segment(name) + "/tag", query).read_all();
}

std::vector<api::ImageDeleteItem> Client::remove_image(const std::string& name, bool force,
                                                       bool no_prune,
                                                       const std::vector<std::string>& platforms) {
    http::Query query;
    add_flag(query, "force", force);
    add_flag(query, "noprune", no_prune);
    for (const std::string& platform : platforms) query.emplace_back("platforms", platform);
    return api::parse_array<api::ImageDeleteItem>(remove("/images/" + image_segment(name), query));
}

api::ImagesPruneResponse Client::prune_images(const Filters& filters) {
    http::Query query;
    add_filters(query, filters);
    return api::parse<api::ImagesPruneResponse>(post("/images/prune", query));
}

void Client::load_images(int input, bool quiet, const std::vector<std::string>& platforms,
                         const std::function<void(const api::ProgressMessage&)>& sink) {
    http::Query query{{"quiet", quiet ? "1" : "0"}};
    for (const std::string& platform : platforms) query.emplace_back("platform", platform);
    http::ClientResponse response =
        upload("POST", "/images/load", query, "application/x-tar", read_from(input));
    read_progress(response, sink);
}

void Client::import_image(int input, const ImportOptions& options,
                          const std::function<void(const api::ProgressMessage&)>& sink) {
    http::Query query{{"fromSrc", options.url.empty() ? "-" : options.url}};
    add_text(query, "repo", options.repository);
    add_text(query, "tag", options.tag);
    add_text(query, "message", options.message);
    add_text(query, "platform", options.platform);
    for (const std::string& change : options.changes) query.emplace_back("changes", change);
    http::ClientResponse response =
        options.url.empty()
            ? upload("POST", "/images/create", query, "application/x-tar", read_from(input))
            : request("POST", "/images/create", query);
    read_progress(response, sink);
}

http::ClientResponse Client::build(const http::Query& query, const std::string& extra,
                                   const std::string& registries,
                                   std::function<std::size_t(std::span<std::byte>)> context) {
    http::ClientRequest request = make_request("POST", "/build", query);
    request.headers.add("Content-Type", "application/x-tar");
    if (!extra.empty()) request.headers.add("X-Hull-Build", encode_base64(extra));
    if (!registries.empty()) request.headers.add("X-Registry-Config", encode_base64(registries));
    request.body_source = std::move(context);
    return checked(http_.request(request));
}

http::ClientResponse Client::save_images(const std::vector<std::string>& names) {
    if (names.size() == 1) return request("GET", "/images/" + image_segment(names[0]) + "/get");
    http::Query query;
    for (const std::string& name : names) query.emplace_back("names", name);
    return request("GET", "/images/get", query);
}

void Client::events(const std::string& since, const std::string& until, const Filters& filters,
                    const std::function<bool(const api::EventMessage&)>& sink) {
    http::Query query;
    add_text(query, "since", since);
    add_text(query, "until", until);
    add_filters(query, filters);
    http::ClientResponse response = request("GET", "/events", query);
    std::string line;
    while (response.read_line(line))
        if (!line.empty() && !sink(api::parse<api::EventMessage>(json::parse(line)))) return;
}

}  // namespace hull::client
