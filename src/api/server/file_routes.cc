#include "api/server/archive_stream.hh"
#include "api/server/changes.hh"
#include "api/server/routes.hh"
#include "api/types/container.hh"
#include "base/text.hh"
#include "engine/engine.hh"
#include "files/path_stat.hh"

namespace hull::server {

namespace {

using http::Response;

constexpr const char* stat_header = "X-Docker-Container-Path-Stat";

std::string encode_stat(const files::PathStat& stat) {
    return encode_base64(json::dump(to_json(stat)));
}

/// HEAD /containers/{id}/archive?path=: what is there, in a header.
Response stat_path(Call& call) {
    const files::PathStat stat =
        call.engine.stat_path(call.path("id"), call.query("path"), call.exchange.stop_event());
    Response response = Response::empty(200);
    response.headers.set(stat_header, encode_stat(stat));
    return response;
}

/// GET /containers/{id}/archive?path=: a tar of it.
void read_path(Call& call) {
    ArchiveStream stream(call);
    call.engine.read_path(
        call.path("id"), call.query("path"),
        [&](const files::PathStat& stat) {
        stream.begin({{stat_header, encode_stat(stat)}});
        },
        stream.fd(), call.exchange.stop_event());
    stream.finish();
}

/// PUT /containers/{id}/archive?path=: unpacks the tar in the body there.
void write_path(Call& call) {
    const engine::WritePathOptions options{
        .keep_kinds = call.flag("noOverwriteDirNonDir"),
        .use_container_user = call.flag("copyUIDGID"),
    };
    {
        const Fd input = call.exchange.body_fd();
        call.engine.write_path(call.path("id"), call.query("path"), options, input.get(),
                               call.exchange.stop_event());
    }
    call.exchange.send(Response::empty(200));
}

void export_container(Call& call) {
    ArchiveStream stream(call);
    call.engine.export_container(
        call.path("id"), [&] { stream.begin({}); }, stream.fd(), call.exchange.stop_event());
    stream.finish();
}

Response list_changes(Call& call) {
    Response response;
    response.headers.set("Content-Type", "application/json");
    response.body = call.engine.list_changes(call.path("id"), call.exchange.stop_event());
    return response;
}

/// POST /commit?container=&repo=&tag=&comment=&author=&pause=&changes=: 201 with the image's id.
/// The body may hold a config that goes over the container's.
Response commit_container(Call& call) {
    engine::CommitRequest request;
    request.reference = call.query("repo");
    if (const std::string tag = call.query("tag"); !tag.empty() && !request.reference.empty())
        request.reference += ":" + tag;
    request.author = call.query("author");
    request.comment = call.query("comment");
    request.pause = call.flag("pause", true);
    std::vector<std::string> lines;
    for (const auto& [name, value] : call.exchange.query)
        if (name == "changes") lines.push_back(value);
    if (!lines.empty())
        request.changes = [lines](const std::string& working_dir) {
            return parse_changes(lines, working_dir);
        };
    if (const json::Value body = call.optional_body(); !body.is_null())
        request.config =
            with_context([&] { return api::parse<api::ContainerConfig>(body); }, "invalid JSON");
    const std::string id =
        call.engine.commit_container(call.query("container"), request, call.exchange.stop_event());
    return Response::json(json::Object{{"Id", id}}, 201);
}

constexpr Route routes[] = {
    {"HEAD", "/containers/{id}/archive", stat_path},
    {"GET", "/containers/{id}/archive", nullptr, read_path},
    {"PUT", "/containers/{id}/archive", nullptr, write_path},
    {"GET", "/containers/{id}/export", nullptr, export_container},
    {"GET", "/containers/{id}/changes", list_changes},
    {"POST", "/commit", commit_container},
};

}  // namespace

std::span<const Route> file_routes() { return routes; }

}  // namespace hull::server
