#include "api/server/routes.hh"
#include "api/types/secret.hh"
#include "engine/engine.hh"
#include "engine/secrets.hh"

namespace hull::server {

namespace {

using http::Response;

/// Docker has these in a swarm; here they are for containers. None of them ever gives the text.
/// GET /secrets?filters=
Response list_secrets(Call& call) {
    return Response::json(api::to_json_array(call.engine.secrets().list(call.filters())));
}

/// POST /secrets/create: 201, 409 name in use.
Response create_secret(Call& call) {
    const std::string id = call.engine.secrets().create(call.body_as<api::SecretSpec>());
    return Response::json(json::Object{{"ID", id}}, 201);
}

Response inspect_secret(Call& call) {
    return Response::json(to_json(call.engine.secrets().inspect(call.path("id"))));
}

/// DELETE /secrets/{id}: 204, 404, 409 a container has it.
Response remove_secret(Call& call) {
    call.engine.secrets().remove(call.path("id"));
    return Response::no_content();
}

/// POST /secrets/{id}/update?version=: 200; labels only.
Response update_secret(Call& call) {
    const std::optional<std::int64_t> version = call.find_integer("version");
    if (!version || *version < 0)
        throw Error(ErrorKind::invalid_argument, "invalid secret version '{}'",
                    call.query("version"));
    call.engine.secrets().update(call.path("id"), static_cast<std::uint64_t>(*version),
                                 call.body_as<api::SecretSpec>());
    return Response::empty(200);
}

constexpr Route routes[] = {
    {"GET", "/secrets", list_secrets},
    {"POST", "/secrets/create", create_secret},
    {"GET", "/secrets/{id}", inspect_secret},
    {"DELETE", "/secrets/{id}", remove_secret},
    {"POST", "/secrets/{id}/update", update_secret},
};

}  // namespace

std::span<const Route> secret_routes() { return routes; }

}  // namespace hull::server
