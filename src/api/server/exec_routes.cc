#include "api/server/log_stream.hh"
#include "api/server/routes.hh"
#include "api/types/exec.hh"
#include "engine/engine.hh"

namespace hull::server {

namespace {

using http::Response;

/// POST /containers/{id}/exec: 201, 409 not running.
Response create_exec(Call& call) {
    const auto request = call.body_as<api::ExecCreateRequest>();
    confine(call, request);
    const std::string id = call.engine.create_exec(call.path("id"), request);
    return Response::json(json::Object{{"Id", id}}, 201);
}

/// POST /exec/{id}/start: the connection goes to the shim, or 200 when detached.
void start_exec(Call& call) {
    const auto request = call.body_as<api::ExecStartRequest>();
    engine::ExecStartOptions options{
        .detach = request.detach, .terminal = request.tty, .rows = 0, .columns = 0};
    if (request.console_size) {
        options.rows = static_cast<unsigned short>((*request.console_size)[0]);
        options.columns = static_cast<unsigned short>((*request.console_size)[1]);
    }
    call.engine.start_exec(call.path("id"), options, upgrade_of(call));
    if (request.detach) call.exchange.send(Response::empty(200));
}

Response resize_exec(Call& call) {
    const TerminalSize size = parse_terminal_size(call);
    call.engine.resize_exec(call.path("id"), size.rows, size.columns);
    return Response::empty(200);
}

Response inspect_exec(Call& call) {
    return Response::json(to_json(call.engine.inspect_exec(call.path("id"))));
}

constexpr Route routes[] = {
    {"POST", "/containers/{id}/exec", create_exec},
    {"POST", "/exec/{id}/start", nullptr, start_exec},
    {"POST", "/exec/{id}/resize", resize_exec},
    {"GET", "/exec/{id}/json", inspect_exec},
};

}  // namespace

std::span<const Route> exec_routes() { return routes; }

}  // namespace hull::server
