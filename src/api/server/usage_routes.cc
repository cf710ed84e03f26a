#include "api/server/image_view.hh"
#include "api/server/json_versions.hh"
#include "api/server/routes.hh"
#include "api/types/disk_usage.hh"
#include "api/types/stats.hh"
#include "build/builder.hh"
#include "engine/engine.hh"
#include "engine/volume_service.hh"
#include "image/images.hh"

#include <map>
#include <set>

namespace hull::server {

namespace {

using http::Response;

/// GET /containers/{id}/stats: one JSON object a second; with stream=0 one, of two samples, or
/// with one-shot=1 of one.
void container_stats(Call& call) {
    call.engine.container_stats(
        call.path("id"),
        {.stream = call.flag("stream", true),
         .one_shot = call.minor_version >= 41 && call.flag("one-shot")},
        [&] {
        call.exchange.start_stream(200, {{"Content-Type", "application/json"}});
        },
        [&](const api::ContainerStats& stats) {
        call.exchange.write(json::dump(to_json(stats)) + "\n");
        return true;
    },
        call.exchange.stop_event());
}

/// POST /containers/{id}/update: limits and the restart policy of HostConfig. PublishAdd and
/// PublishRemove are ours: published ports in the form of PortBindings.
Response update_container(Call& call) {
    const json::Value body = call.body();
    auto changes = with_context([&] { return api::parse<api::HostConfig>(body); }, "invalid JSON");
    engine::PortChanges ports;
    ports.added = api::parse_ports(body["PublishAdd"]);
    ports.removed = api::parse_ports(body["PublishRemove"]);
    if (call.minor_version < 40) changes.pids_limit.reset();  // older clients cannot mean it
    const std::vector<std::string> warnings =
        call.engine.update_container(call.path("id"), changes, ports);
    return Response::json(
        json::Object{{"Warnings", warnings.empty() ? json::Value() : json::Value(warnings)}});
}

/// POST /containers/{id}/recreate?dryrun=: Hull's own. What the kernel cannot change in a running
/// container changes by another run of it on the same layer.
Response recreate_container(Call& call) {
    const json::Value body = call.body();
    engine::RecreateRequest request;
    with_context(
        [&] {
        const auto strings = [&](const char* name) {
            return body[name].is_null() ? std::vector<std::string>() : body[name].as_strings();
        };
        request.environment = strings("Env");
        request.environment_removed = strings("EnvRemove");
        if (!body["Labels"].is_null()) request.labels = body["Labels"].as_string_map();
        request.labels_removed = strings("LabelsRemove");
        if (!body["Cmd"].is_null()) request.command = body["Cmd"].as_strings();
        request.mounts = api::parse_array<api::Mount>(body["Mounts"]);
        request.mounts_removed = strings("MountsRemove");
        },
        "invalid JSON");
    request.dry_run = call.flag("dryrun");
    const engine::RecreateReport report = call.engine.recreate_container(call.path("id"), request);
    return Response::json(json::Object{
        {"Live", report.live}, {"Recreate", report.restarting}, {"Running", report.was_running}});
}

/// The objects that `type` asks for, all when it says nothing; since 1.42.
std::set<std::string> wanted_types(Call& call) {
    const std::set<std::string> all = {"container", "image", "volume", "build-cache"};
    if (call.minor_version < 42) return all;
    std::set<std::string> wanted;
    for (const auto& [name, value] : call.exchange.query) {
        if (name != "type") continue;
        if (!all.contains(value))
            throw Error(ErrorKind::invalid_argument, "unknown object type: {}", value);
        wanted.insert(value);
    }
    return wanted.empty() ? all : wanted;
}

std::vector<api::ImageSummary> images_with_usage(
    Call& call, const std::vector<api::ContainerSummary>& containers) {
    std::map<std::string, std::int64_t> users;
    for (const api::ContainerSummary& container : containers) ++users[container.image_id];
    std::map<std::string, std::uint64_t> shared_bytes;
    for (const image::ImageUsage& usage : call.images.disk_usage())
        shared_bytes[usage.id] = usage.shared_bytes;
    std::vector<api::ImageSummary> images = list_images(call.images, {});
    for (api::ImageSummary& image : images) {
        image.containers = users[image.id];
        image.shared_size = static_cast<std::int64_t>(shared_bytes[image.id]);
    }
    return images;
}

/// GET /system/df: sizes of images, containers, volumes and the build cache.
Response disk_usage(Call& call) {
    const std::set<std::string> wanted = wanted_types(call);
    api::DiskUsage usage;
    // Images say how many containers they have, which needs no walk through those.
    auto containers = call.engine.list_containers(
        {.all = true, .size = wanted.contains("container"), .limit = 0, .filters = {}});
    if (wanted.contains("image")) {
        usage.layers_size = static_cast<std::int64_t>(call.engine.layer_bytes());
        usage.images = images_with_usage(call, containers);
    }
    if (wanted.contains("container")) usage.containers = std::move(containers);
    if (wanted.contains("volume")) usage.volumes = call.engine.volumes().usage();
    usage.has_build_cache = wanted.contains("build-cache");
    json::Value reply = to_json(usage);
    if (usage.has_build_cache) reply["BuildCache"] = call.builder.cache_usage();
    if (usage.containers.is_null()) return Response::json(reply);
    for (json::Value& item : reply["Containers"].as_array())
        adapt_container_summary(item, call.minor_version);
    return Response::json(reply);
}

constexpr Route routes[] = {
    {"POST", "/containers/{id}/update", update_container},
    {"POST", "/containers/{id}/recreate", recreate_container},
    {"GET", "/system/df", disk_usage},
    {"GET", "/containers/{id}/stats", nullptr, container_stats},
};

}  // namespace

std::span<const Route> usage_routes() { return routes; }

}  // namespace hull::server
