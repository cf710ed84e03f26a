// BuildKit's clients: their connections go to hull-buildkit as they are (ADR 031).
#include "api/server/buildkit_gate.hh"
#include "api/server/routes.hh"
#include "base/sys.hh"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <iterator>

namespace hull::server {

namespace {

json::Array header_list(const Call& call) {
    json::Array fields;
    for (const auto& [name, value] : call.exchange.headers)
        fields.push_back(json::Array{name, value});
    return fields;
}

void hand_over(Call& call, json::Object message) {
    if (!call.services.buildkit)
        throw Error(ErrorKind::unsupported, "this daemon serves no BuildKit clients");
    if (!call.exchange.headers.has_token("Connection", "Upgrade"))
        throw Error(ErrorKind::invalid_argument, "upgrade header is required");
    message["headers"] = header_list(call);
    const Fd connection = call.exchange.hijack({{"Upgrade", "h2c"}});
    call.services.buildkit->hand_over(message, std::array{connection.get()});
}

/// POST /grpc: moby.buildkit.v1.Control and what belongs to it.
void serve_grpc(Call& call) { hand_over(call, {{"kind", "grpc"}}); }

/// POST /session: the client serves, and we ask.
void serve_session(Call& call) { hand_over(call, {{"kind", "session"}}); }

constexpr std::string_view upload_prefix = "upload-request:";

/// The docker CLI before buildx sends an archive as the body of another request than the build's.
void hand_over_context(Call& call, const std::string& id) {
    const Fd body = call.exchange.body_fd();
    sys::SocketPair request = sys::socketpair(SOCK_STREAM);
    call.services.buildkit->hand_over(json::Object{{"kind", "upload"}, {"id", id}},
                                      std::array{body.get(), request.second.get()});
    request.second.reset();
    // Closed when the build has taken what it needs.
    StopEvent& stop = call.exchange.stop_event();
    pollfd waits[] = {{request.first.get(), POLLIN, 0}, {stop.fd(), POLLIN, 0}};
    while (::poll(waits, std::size(waits), -1) < 0) continue;
    call.exchange.send(http::Response::empty(200));
}

}  // namespace

void hand_over_build(Call& call) {
    if (!call.services.buildkit)
        throw Error(ErrorKind::unsupported, "this daemon serves no BuildKit clients");
    if (const std::string id = call.query("buildid"); id.starts_with(upload_prefix))
        return hand_over_context(call, id.substr(upload_prefix.size()));
    if (call.query("session").empty())
        throw Error(
            ErrorKind::unsupported,
            "a build of version 2 without a session is not supported: set DOCKER_BUILDKIT=0");
    json::Array query;
    for (const auto& [name, value] : call.exchange.query) query.push_back(json::Array{name, value});
    const Fd connection = call.exchange.hijack({{"Content-Type", "application/json"}});
    call.services.buildkit->hand_over(json::Object{{"kind", "build"}, {"query", std::move(query)}},
                                      std::array{connection.get()});
}

namespace {

constexpr Route routes[] = {
    {"POST", "/grpc", nullptr, serve_grpc},
    {"POST", "/session", nullptr, serve_session},
};

}  // namespace

std::span<const Route> buildkit_routes() { return routes; }

}  // namespace hull::server
