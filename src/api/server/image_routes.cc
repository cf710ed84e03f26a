#include "api/server/changes.hh"
#include "api/server/image_platforms.hh"
#include "api/server/image_view.hh"
#include "api/server/json_versions.hh"
#include "api/server/progress_stream.hh"
#include "api/server/registry_access.hh"
#include "api/server/routes.hh"
#include "api/types/system.hh"
#include "base/sys.hh"
#include "engine/engine.hh"
#include "oci/platform.hh"

#include <signal.h>

#include <thread>

namespace hull::server {

namespace {

using http::Response;

/// The platforms that a parameter asks for (each as JSON, since 1.48): the image must be that one.
void require_platforms(Call& call, std::string_view parameter, const std::string& name) {
    for (const auto& [key, value] : call.exchange.query)
        if (key == parameter)
            require_platform(call.images, name, oci::parse_platform_json(json::parse(value)).str());
}

Response list_images(Call& call) {
    std::vector<api::ImageSummary> images = server::list_images(call.images, call.filters());
    if (call.flag("shared-size")) {
        for (const image::ImageUsage& usage : call.images.disk_usage())
            for (api::ImageSummary& summary : images)
                if (summary.id == usage.id)
                    summary.shared_size = static_cast<std::int64_t>(usage.shared_bytes);
    }
    json::Value list = api::to_json_array(images);
    for (json::Value& item : list.as_array()) {
        if (call.flag("manifests") && call.minor_version >= 47)
            if (const auto image = call.images.find_image(item["Id"].as_string()))
                item["Manifests"] = manifest_summaries(call, *image);
        adapt_image_summary(item, call.minor_version);
    }
    return Response::json(list);
}

/// docker-compose before version 2 asks for the newest API, and reads what 1.45 dropped.
bool is_old_compose(const Call& call) {
    return call.exchange.headers.get("User-Agent").starts_with("docker-compose/1.");
}

Response inspect_image(Call& call) {
    require_platforms(call, "platform", call.path("name"));
    json::Value value =
        to_json(inspect(*call.images.get_image(call.path("name")), call.storage_driver));
    if (call.minor_version < 45 || is_old_compose(call)) add_container_config(value);
    if (call.flag("manifests") && call.minor_version >= 48)
        value["Manifests"] = manifest_summaries(call, *call.images.get_image(call.path("name")));
    adapt_image_inspect(value, call.minor_version);
    return Response::json(value);
}

Response image_history(Call& call) {
    require_platforms(call, "platform", call.path("name"));
    std::vector<api::HistoryItem> items;
    for (const image::HistoryEntry& entry : call.images.history(call.path("name"))) {
        api::HistoryItem item;
        item.comment = entry.comment;
        item.created = entry.created_ns / 1'000'000'000;
        item.created_by = entry.created_by;
        item.id = entry.id;
        item.size = static_cast<std::int64_t>(entry.size_bytes);
        if (!entry.tags.empty()) item.tags = api::Strings(entry.tags);
        items.push_back(std::move(item));
    }
    return Response::json(api::to_json_array(items));
}

/// POST /images/{name}/tag?repo=&tag=: 201.
Response tag_image(Call& call) {
    call.images.tag(call.path("name"), call.query("repo"), call.query("tag"));
    return Response::empty(201);
}

std::vector<api::ImageDeleteItem> delete_items(const std::vector<image::Removed>& removed) {
    std::vector<api::ImageDeleteItem> items;
    for (const auto& [untagged, deleted] : removed) items.push_back({untagged, deleted});
    return items;
}

/// DELETE /images/{name}: 200 with what went, 409 in use.
Response remove_image(Call& call) {
    // An image here is one platform: when that is the one meant, all of it goes.
    require_platforms(call, "platforms", call.path("name"));
    const auto removed = call.images.remove(
        call.path("name"), {.force = call.flag("force"), .prune_parents = !call.flag("noprune")});
    return Response::json(api::to_json_array(delete_items(removed)));
}

Response prune_images(Call& call) {
    image::PruneOptions options = parse_prune_options(call.filters());
    options.dry_run = is_dry_run(call);
    const image::PruneReport report = call.images.prune(options);
    api::ImagesPruneResponse response;
    if (!report.removed.empty())
        response.images_deleted =
            api::Nullable<std::vector<api::ImageDeleteItem>>(delete_items(report.removed));
    response.space_reclaimed = report.freed_bytes;
    return Response::json(to_json(response));
}

/// POST /images/create?fromImage=NAME&tag=: errors before the first message are statuses.
void pull_image(Call& call) {
    image::PullOptions options;
    options.reference = call.query("fromImage");
    if (const std::string tag = call.query("tag"); !tag.empty())
        options.reference += (tag.find(':') == std::string::npos ? ":" : "@") + tag;
    options.platform = call.query("platform");
    options.access = registry_access(call);
    stream_progress(call, [&](const image::ProgressSink& progress) {
        call.images.pull(options, progress, &call.exchange.stop_event());
    });
}

/// POST /images/create?fromSrc=-: makes an image of the archive in the body, or of what the URL in
/// its place has.
void create_image(Call& call) {
    const std::string source = call.query("fromSrc");
    if (!call.query("fromImage").empty()) return pull_image(call);
    std::vector<std::string> changes;
    for (const auto& [name, value] : call.exchange.query)
        if (name == "changes") changes.push_back(value);
    image::ImportOptions options{.reference = call.query("repo"),
                                 .message = call.query("message"),
                                 .changes = parse_changes(changes),
                                 .platform = call.query("platform")};
    if (const std::string tag = call.query("tag"); !tag.empty() && !options.reference.empty())
        options.reference += (tag.find(':') == std::string::npos ? ":" : "@") + tag;
    if (source != "-") {
        const std::string url =
            source.find("://") == std::string::npos ? "http://" + source : source;
        return stream_progress(call, [&](const image::ProgressSink& progress) {
            progress({.id = {}, .status = "Downloading from " + url});
            progress({.id = {},
                      .status = call.images.import_url(url, options, registry_access(call),
                                                       progress, &call.exchange.stop_event())});
        });
    }
    const Fd input = call.exchange.body_fd();
    const std::string id =
        call.images.import_image(input.get(), options, &call.exchange.stop_event());
    api::ProgressMessage message;
    message.status = id;
    ProgressStream(call).write(message);
}

/// POST /images/load: errors come in the stream, as from Docker.
void load_images(Call& call) {
    if (call.exchange.find_parameter("platform"))
        throw Error(ErrorKind::unsupported, "loading single platforms is not supported yet");
    const bool quiet = call.flag("quiet");
    ProgressStream stream(call);
    const Fd input = call.exchange.body_fd();
    try {
        const std::vector<std::string> lines = call.images.load(
            input.get(),
            [&](std::string_view line) {
            if (quiet) return;
            api::ProgressMessage message;
            message.status = line;
            stream.write(message);
            },
            &call.exchange.stop_event());
        for (const std::string& line : lines) {
            api::ProgressMessage message;
            message.stream = line + "\n";
            stream.write(message);
        }
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::cancelled) throw;
        stream.write_error(error);
    }
}

/// Sends what `images.save` writes. The header goes out with the first byte, so that an unknown
/// name is still a 404.
void save(Call& call, const std::vector<std::string>& names) {
    for (const std::string& name : names) require_platforms(call, "platform", name);
    StopEvent& stop = call.exchange.stop_event();
    sys::Pipe pipe = sys::pipe();
    std::thread forward([&call, input = std::move(pipe.read_end)]() mutable {
        try {
            std::vector<std::byte> buffer(64 << 10);
            while (const std::size_t count = sys::read(input.get(), buffer)) {
                if (!call.exchange.replied())
                    call.exchange.start_stream(200, {{"Content-Type", "application/x-tar"}});
                call.exchange.write({reinterpret_cast<const char*>(buffer.data()), count});
            }
        } catch (const Error&) {
            // The client is gone; closing the pipe ends the writer.
        }
        input.reset();
    });
    try {
        call.images.save(names, pipe.write_end.get(), &stop);
    } catch (...) {
        pipe.write_end.reset();
        forward.join();
        throw;
    }
    pipe.write_end.reset();
    forward.join();
}

void save_image(Call& call) { save(call, {call.path("name")}); }

void save_images(Call& call) {
    std::vector<std::string> names;
    for (const auto& [name, value] : call.exchange.query)
        if (name == "names") names.push_back(value);
    if (names.empty()) throw Error(ErrorKind::invalid_argument, "no image names given");
    save(call, names);
}

constexpr Route routes[] = {
    {"GET", "/images/json", list_images},
    {"POST", "/images/create", nullptr, create_image},
    {"POST", "/images/load", nullptr, load_images},
    {"POST", "/images/prune", prune_images},
    {"GET", "/images/prune", prune_images},
    {"GET", "/images/get", nullptr, save_images},
    {"GET", "/images/{name...}/get", nullptr, save_image},
    {"GET", "/images/{name...}/json", inspect_image},
    {"GET", "/images/{name...}/history", image_history},
    {"POST", "/images/{name...}/tag", tag_image},
    {"DELETE", "/images/{name...}", remove_image},
};

}  // namespace

std::span<const Route> image_routes() { return routes; }

}  // namespace hull::server
