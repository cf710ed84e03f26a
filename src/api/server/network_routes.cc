#include "api/server/json_versions.hh"
#include "api/server/routes.hh"
#include "api/types/network.hh"
#include "engine/engine.hh"

namespace hull::server {

namespace {

using http::Response;

/// GET /networks: without their containers, which since 1.28 only GET /networks/{id} tells.
Response list_networks(Call& call) {
    std::vector<api::NetworkInspect> networks = call.engine.list_networks(call.filters());
    if (call.minor_version < 28)
        for (api::NetworkInspect& network : networks)
            network.containers = call.engine.inspect_network(network.id).containers;
    json::Value list = api::to_json_array(networks);
    for (json::Value& item : list.as_array()) adapt_network(item, call.minor_version);
    return Response::json(list);
}

Response inspect_network(Call& call) {
    const std::string scope = call.query("scope");
    if (!scope.empty() && scope != "local")
        throw Error(ErrorKind::not_found, "network {} not found", call.path("id"));
    json::Value value = to_json(call.engine.inspect_network(call.path("id")));
    adapt_network(value, call.minor_version);
    return Response::json(value);
}

/// POST /networks/create: 201, 409 name in use, 403 subnet in use, 404 no such driver.
Response create_network(Call& call) {
    const auto created = call.engine.create_network(call.body_as<api::NetworkCreateRequest>());
    return Response::json(json::Object{{"Id", created.id}, {"Warning", ""}}, 201);
}

/// DELETE /networks/{id}: 204, 403 predefined or in use.
Response remove_network(Call& call) {
    call.engine.remove_network(call.path("id"));
    return Response::no_content();
}

Response prune_networks(Call& call) {
    const std::vector<std::string> names =
        call.engine.prune_networks(call.filters(), is_dry_run(call));
    return Response::json(
        json::Object{{"NetworksDeleted", names.empty() ? json::Value() : json::Value(names)}});
}

/// POST /networks/{id}/connect: 200, 403 connected already.
Response connect_network(Call& call) {
    const auto request = call.body_as<api::NetworkConnectRequest>();
    call.engine.connect_network(call.path("id"), request.container,
                                request.endpoint_config.value_or(api::EndpointSettings()));
    return Response::empty(200);
}

Response disconnect_network(Call& call) {
    const auto request = call.body_as<api::NetworkDisconnectRequest>();
    call.engine.disconnect_network(call.path("id"), request.container);
    return Response::empty(200);
}

constexpr Route routes[] = {
    {"POST", "/networks/prune", prune_networks},
    {"GET", "/networks/prune", prune_networks},
    {"GET", "/networks", list_networks},
    {"GET", "/networks/{id}", inspect_network},
    {"DELETE", "/networks/{id}", remove_network},
    {"POST", "/networks/create", create_network},
    {"POST", "/networks/{id}/connect", connect_network},
    {"POST", "/networks/{id}/disconnect", disconnect_network},
};

}  // namespace

std::span<const Route> network_routes() { return routes; }

}  // namespace hull::server
