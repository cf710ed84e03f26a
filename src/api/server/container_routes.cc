#include "api/server/json_versions.hh"
#include "api/server/log_stream.hh"
#include "api/server/routes.hh"
#include "api/server/times.hh"
#include "api/types/container.hh"
#include "base/sys.hh"
#include "engine/engine.hh"
#include "http/websocket.hh"
#include "image/images.hh"
#include "task/log_reader.hh"

#include <sys/socket.h>

namespace hull::server {

namespace {

using http::Response;

/// With the limit that the socket sets.
Filters own_filters(const Call& call) {
    Filters filters = call.filters();
    if (std::string own = owner_filter(call); !own.empty())
        filters["label"].push_back(std::move(own));
    return filters;
}

/// GET /containers/json: running ones, newest first.
/// For our own `ps`, whose table shows no more: a list of many is a quarter as long.
json::Value brief_json(const api::ContainerSummary& container) {
    json::Value all = to_json(container);
    json::Object brief;
    for (const char* name : {"Id", "Names", "Image", "Command", "Created", "Ports", "SizeRw",
                             "SizeRootFs", "State", "Status"})
        if (json::Value* value = all.as_object().find(name)) brief.append(name, std::move(*value));
    // An image without a name is shown by its id.
    if (container.image == container.image_id) brief.append("ImageID", container.image_id);
    return brief;
}

/// GET /containers/json?brief=1 (Hull's own parameter) leaves out what brief_json does.
Response list_containers(Call& call) {
    const bool is_brief = call.flag("brief");
    const auto containers = call.engine.list_containers(
        {.all = call.flag("all"),
         .size = call.flag("size"),
         .limit = static_cast<int>(call.find_integer("limit").value_or(0)),
         .filters = own_filters(call),
         .brief = is_brief});
    if (is_brief) {
        json::Array brief;
        for (const api::ContainerSummary& container : containers)
            brief.push_back(brief_json(container));
        return Response::json(std::move(brief));
    }
    json::Value list = api::to_json_array(containers);
    for (json::Value& item : list.as_array()) adapt_container_summary(item, call.minor_version);
    return Response::json(list);
}

/// POST /containers/create?name=: 201, 404 no such image, 409 name in use.
Response create_container(Call& call) {
    auto request = call.body_as<api::CreateRequest>();
    confine(call, request);
    require_platform(call.images, request.config.image, call.query("platform"));
    const engine::Created created = call.engine.create_container(call.query("name"), request);
    return Response::json(to_json(api::CreateResponse{created.id, created.warnings}), 201);
}

Response inspect_container(Call& call) {
    const auto inspect = call.engine.inspect_container(call.path("id"), call.flag("size"));
    json::Value value = to_json(inspect);
    adapt_container_inspect(value, call.minor_version);
    return Response::json(value);
}

Response top_container(Call& call) {
    const std::string arguments = call.query("ps_args");
    return Response::json(
        to_json(call.engine.top_container(call.path("id"), arguments.empty() ? "-ef" : arguments)));
}

/// POST /containers/{id}/start: 204, 304 running already.
Response start_container(Call& call) {
    call.engine.start_container(call.path("id"), call.query("detachKeys"));
    return Response::no_content();
}

std::optional<std::string> signal_parameter(const Call& call) {
    std::string signal = call.query("signal");
    // Before 1.42 stop and restart had no such parameter.
    if (signal.empty() || call.minor_version < 42) return std::nullopt;
    return signal;
}

std::optional<int> timeout_parameter(const Call& call) {
    const std::optional<std::int64_t> seconds = call.find_integer("t");
    if (!seconds) return std::nullopt;
    return static_cast<int>(*seconds);
}

/// POST /containers/{id}/stop: 204, 304 stopped already. What the user should know is in a Warning
/// field (RFC 7234, section 5.5).
Response stop_container(Call& call) {
    const std::string warning = call.engine.stop_container(call.path("id"), signal_parameter(call),
                                                           timeout_parameter(call));
    Response reply = Response::no_content();
    if (!warning.empty()) reply.headers.add("Warning", fmt::format("199 hull \"{}\"", warning));
    return reply;
}

Response restart_container(Call& call) {
    call.engine.restart_container(call.path("id"), signal_parameter(call), timeout_parameter(call));
    return Response::no_content();
}

Response kill_container(Call& call) {
    call.engine.kill_container(call.path("id"), call.query("signal"));
    return Response::no_content();
}

/// POST /containers/{id}/drain: 204. Hull's own: a roll takes a container's names away first.
Response drain_container(Call& call) {
    call.engine.drain_container(call.path("id"));
    return Response::no_content();
}

Response pause_container(Call& call) {
    call.engine.pause_container(call.path("id"));
    return Response::no_content();
}

Response unpause_container(Call& call) {
    call.engine.unpause_container(call.path("id"));
    return Response::no_content();
}

Response rename_container(Call& call) {
    call.engine.rename_container(call.path("id"), call.query("name"));
    return Response::no_content();
}

Response resize_container(Call& call) {
    const TerminalSize size = parse_terminal_size(call);
    call.engine.resize_container(call.path("id"), size.rows, size.columns);
    return Response::empty(200);
}

Response remove_container(Call& call) {
    if (call.flag("link"))
        throw Error(ErrorKind::unsupported, "removing links is not supported yet");
    call.engine.remove_container(call.path("id"),
                                 {.force = call.flag("force"), .volumes = call.flag("v")});
    return Response::no_content();
}

Response prune_containers(Call& call) {
    const engine::PruneReport report =
        call.engine.prune_containers(call.filters(), is_dry_run(call));
    return Response::json(json::Object{
        {"ContainersDeleted", report.deleted.empty() ? json::Value() : json::Value(report.deleted)},
        {"SpaceReclaimed", report.freed_bytes}});
}

/// POST /containers/{id}/wait: the header goes out at once, so that a client may start the
/// container knowing that its end will be seen. Before 1.30 it came with the result.
void wait_container(Call& call) {
    const std::string condition = call.query("condition");
    const engine::Waiter waiter = call.engine.wait_container(call.path("id"), condition);
    StopEvent& stop = call.exchange.stop_event();
    if (call.minor_version >= 30)
        call.exchange.start_stream(200, {{"Content-Type", "application/json"}});
    const std::optional<engine::WaitResult> result = waiter.wait(stop);
    if (!result) return call.exchange.abort();
    const json::Value reply = to_json(api::WaitResponse{result->status_code, result->error});
    if (call.minor_version >= 30)
        call.exchange.write(json::dump(reply) + "\n");
    else
        call.exchange.send(Response::json(reply));
}

/// POST /containers/{id}/attach: the connection goes to the shim.
void attach_container(Call& call) {
    call.engine.attach_container(call.path("id"),
                                 {.logs = call.flag("logs"),
                                  .stream = call.flag("stream"),
                                  .use_stdin = call.flag("stdin"),
                                  .use_stdout = call.flag("stdout"),
                                  .use_stderr = call.flag("stderr"),
                                  .detach_keys = call.query("detachKeys")},
                                 upgrade_of(call));
}

/// GET /containers/{id}/attach/ws: the same over a WebSocket, raw bytes in binary frames.
void attach_websocket(Call& call) {
    const http::Headers& headers = call.exchange.headers;
    const std::string_view key = headers.get("Sec-WebSocket-Key");
    if (!headers.has_token("Upgrade", "websocket") || !headers.has_token("Connection", "Upgrade") ||
        key.empty())
        throw Error(ErrorKind::invalid_argument, "not a WebSocket handshake: bad request");
    http::Headers answer{{"Upgrade", "websocket"},
                         {"Sec-WebSocket-Accept", http::websocket_accept(key)}};
    if (const std::string_view protocol = headers.get("Sec-WebSocket-Protocol"); !protocol.empty())
        answer.add("Sec-WebSocket-Protocol", std::string(protocol.substr(0, protocol.find(','))));
    sys::SocketPair pair = sys::socketpair(SOCK_STREAM);
    call.engine.attach_container(call.path("id"),
                                 {.logs = call.flag("logs"),
                                  .stream = call.flag("stream"),
                                  .use_stdin = call.flag("stdin"),
                                  .use_stdout = call.flag("stdout"),
                                  .use_stderr = call.flag("stderr"),
                                  .multiplexed = false,
                                  .detach_keys = call.query("detachKeys")},
                                 [&](bool) {
        http::carry_websocket(call.exchange.hijack(answer), std::move(pair.second));
        return std::move(pair.first);
    });
}

/// "COLOR=red,app=web", escaped as in a URL.
std::string log_details(const Call& call) {
    std::string text;
    for (const auto& [name, value] : call.engine.container_log_attributes(call.path("id")))
        text += fmt::format("{}{}={}", text.empty() ? "" : ",", http::encode_percent(name),
                            http::encode_percent(value));
    return text;
}

/// GET /containers/{id}/logs: multiplexed lines, raw ones for a container with a terminal.
void container_logs(Call& call) {
    task::LogQuery query;
    query.follow = call.flag("follow");
    query.use_stdout = call.flag("stdout");
    query.use_stderr = call.flag("stderr");
    query.timestamps = call.flag("timestamps");
    if (!query.use_stdout && !query.use_stderr)
        throw Error(ErrorKind::invalid_argument,
                    "Bad parameters: you must choose at least one stream");
    query.since_ns = parse_unix_time(call.query("since")).value_or(0);
    query.until_ns = parse_unix_time(call.query("until")).value_or(0);
    query.tail = parse_tail(call.query("tail"));

    send_log(call, query, call.flag("details") ? std::optional(log_details(call)) : std::nullopt);
}

constexpr Route routes[] = {
    {"GET", "/containers/json", list_containers},
    {"POST", "/containers/create", create_container},
    {"POST", "/containers/prune", prune_containers},
    {"GET", "/containers/prune", prune_containers},
    {"GET", "/containers/{id}/json", inspect_container},
    {"GET", "/containers/{id}/top", top_container},
    {"GET", "/containers/{id}/logs", nullptr, container_logs},
    {"POST", "/containers/{id}/start", start_container},
    {"POST", "/containers/{id}/stop", stop_container},
    {"POST", "/containers/{id}/drain", drain_container},
    {"POST", "/containers/{id}/restart", restart_container},
    {"POST", "/containers/{id}/kill", kill_container},
    {"POST", "/containers/{id}/pause", pause_container},
    {"POST", "/containers/{id}/unpause", unpause_container},
    {"POST", "/containers/{id}/rename", rename_container},
    {"POST", "/containers/{id}/resize", resize_container},
    {"POST", "/containers/{id}/wait", nullptr, wait_container},
    {"POST", "/containers/{id}/attach", nullptr, attach_container},
    {"GET", "/containers/{id}/attach/ws", nullptr, attach_websocket},
    {"DELETE", "/containers/{id}", remove_container},
};

}  // namespace

std::span<const Route> container_routes() { return routes; }

}  // namespace hull::server
