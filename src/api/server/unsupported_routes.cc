#include "api/server/routes.hh"

namespace hull::server {

namespace {

using http::Response;

Response not_supported(Call& call) {
    throw Error(ErrorKind::unsupported, "{} {} is not supported yet", call.exchange.method,
                call.exchange.path);
}

/// There are none of these yet, so none has that name; `docker inspect NAME` asks each kind in
/// turn.
Response no_such_object(Call& call) {
    throw Error(ErrorKind::not_found, "{}: not found", call.exchange.path);
}

/// Clients know this text: it tells them to go on without Swarm.
Response no_swarm(Call&) {
    throw Error(ErrorKind::unavailable,
                "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm "
                "join\" to connect this node to swarm and try again.");
}

constexpr Route routes[] = {
    {"GET", "/containers/{id}/checkpoints", not_supported},
    {"POST", "/containers/{id}/checkpoints", not_supported},
    {"DELETE", "/containers/{id}/checkpoints/{checkpoint}", not_supported},
    {"GET", "/images/{name...}/attestations", not_supported},
    {"GET", "/debug/vars", not_supported},
    {"GET", "/plugins", not_supported},
    {"GET", "/plugins/privileges", not_supported},
    {"POST", "/plugins/pull", not_supported},
    {"POST", "/plugins/create", not_supported},
    {"GET", "/plugins/{name...}/json", no_such_object},
    {"DELETE", "/plugins/{name...}", not_supported},
    {"POST", "/plugins/{name...}/enable", not_supported},
    {"POST", "/plugins/{name...}/disable", not_supported},
    {"POST", "/plugins/{name...}/upgrade", not_supported},
    {"POST", "/plugins/{name...}/push", not_supported},
    {"POST", "/plugins/{name...}/set", not_supported},
    {"GET", "/nodes", no_swarm},
    {"GET", "/nodes/{id}", no_swarm},
    {"DELETE", "/nodes/{id}", no_swarm},
    {"POST", "/nodes/{id}/update", no_swarm},
    {"GET", "/swarm", no_swarm},
    {"GET", "/swarm/unlockkey", no_swarm},
    {"POST", "/swarm/{action}", no_swarm},
    {"GET", "/services", no_swarm},
    {"POST", "/services/create", no_swarm},
    {"GET", "/services/{id}", no_swarm},
    {"DELETE", "/services/{id}", no_swarm},
    {"POST", "/services/{id}/update", no_swarm},
    {"GET", "/services/{id}/logs", no_swarm},
    {"GET", "/tasks", no_swarm},
    {"GET", "/tasks/{id}", no_swarm},
    {"GET", "/tasks/{id}/logs", no_swarm},
    {"GET", "/configs", no_swarm},
    {"POST", "/configs/create", no_swarm},
    {"GET", "/configs/{id}", no_swarm},
    {"DELETE", "/configs/{id}", no_swarm},
    {"POST", "/configs/{id}/update", no_swarm},
};

}  // namespace

std::span<const Route> unsupported_routes() { return routes; }

}  // namespace hull::server
