#include "api/server/archive_stream.hh"
#include "api/server/routes.hh"
#include "api/types/volume.hh"
#include "engine/engine.hh"
#include "engine/volume_service.hh"

namespace hull::server {

namespace {

using http::Response;

/// GET /volumes?filters=: {Volumes, Warnings}.
Response list_volumes(Call& call) {
    return Response::json(to_json(call.engine.volumes().list(call.filters())));
}

/// POST /volumes/create: 201, also for one that is there already; 409 another driver has the name.
Response create_volume(Call& call) {
    return Response::json(
        to_json(call.engine.volumes().create(call.body_as<api::VolumeCreateRequest>())), 201);
}

Response inspect_volume(Call& call) {
    return Response::json(to_json(call.engine.volumes().inspect(call.path("name"))));
}

/// DELETE /volumes/{name}?force=: 204, 404, 409 in use.
Response remove_volume(Call& call) {
    call.engine.volumes().remove(call.path("name"), call.flag("force"));
    return Response::no_content();
}

/// PUT /volumes/{name}: Docker changes only cluster volumes.
Response update_volume(Call& call) {
    (void)call.engine.volumes().inspect(call.path("name"));
    throw Error(ErrorKind::unavailable,
                "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm "
                "join\" to connect this node to swarm and try again.");
}

/// POST /volumes/prune?filters=: before 1.42 named ones went, too.
Response prune_volumes(Call& call) {
    Filters filters = call.filters();
    if (call.minor_version < 42) filters["all"] = {"true"};
    const engine::PruneReport report = call.engine.volumes().prune(filters, is_dry_run(call));
    return Response::json(json::Object{
        {"VolumesDeleted", report.deleted.empty() ? json::Value() : json::Value(report.deleted)},
        {"SpaceReclaimed", report.freed_bytes}});
}

/// POST /volumes/{name}/rename?name=NEW. Hull's own, as what follows.
Response rename_volume(Call& call) {
    return Response::json(
        to_json(call.engine.volumes().rename(call.path("name"), call.query("name"))));
}

/// POST /volumes/{name}/clone?name=NEW&snapshot=: 201, 409 there is one of that name.
Response clone_volume(Call& call) {
    return Response::json(to_json(call.engine.volumes().files().clone_volume(
                              call.path("name"), call.query("name"), call.flag("snapshot"),
                              call.exchange.stop_event())),
                          201);
}

/// GET /volumes/{name}/archive: its files as a tar.
void export_volume(Call& call) {
    ArchiveStream stream(call);
    call.engine.volumes().files().export_volume(
        call.path("name"), [&] { stream.begin({}); }, stream.fd(), call.exchange.stop_event());
    stream.finish();
}

/// PUT /volumes/{name}/archive: a new volume of the tar in the body.
void import_volume(Call& call) {
    api::Volume volume;
    {
        const Fd input = call.exchange.body_fd();
        volume = call.engine.volumes().files().import_volume(call.path("name"), input.get(),
                                                             call.exchange.stop_event());
    }
    call.exchange.send(Response::json(to_json(volume), 201));
}

constexpr Route routes[] = {
    {"POST", "/volumes/prune", prune_volumes},
    {"GET", "/volumes/prune", prune_volumes},
    {"GET", "/volumes", list_volumes},
    {"POST", "/volumes/create", create_volume},
    {"GET", "/volumes/{name}", inspect_volume},
    {"PUT", "/volumes/{name}", update_volume},
    {"DELETE", "/volumes/{name}", remove_volume},
    {"POST", "/volumes/{name}/rename", rename_volume},
    {"POST", "/volumes/{name}/clone", clone_volume},
    {"GET", "/volumes/{name}/archive", nullptr, export_volume},
    {"PUT", "/volumes/{name}/archive", nullptr, import_volume},
};

}  // namespace

std::span<const Route> volume_routes() { return routes; }

}  // namespace hull::server
