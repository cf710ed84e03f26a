// Routes of Hull's own: what builds did and why.
#include "api/server/routes.hh"
#include "base/time.hh"
#include "build/builder.hh"

namespace hull::server {

namespace {

using http::Response;

/// "last" is the newest.
build::BuildRecord get_record(Call& call) {
    const std::string& id = call.path("id");
    return call.builder.history().get(id == "last" ? "" : id);
}

/// What clients see: not the documents that make up what a failed step has left.
json::Value show(const build::BuildRecord& record) {
    json::Value value = to_json(record);
    value["started"] = format_rfc3339(record.started_ns);
    value["cached"] = record.cached_count();
    for (json::Value& step : value["steps"].as_array())
        step["started"] = format_rfc3339(step["started"].as_int());
    if (record.failed)
        value["failed"] = json::Object{{"number", record.failed->number},
                                       {"text", record.failed->text},
                                       {"exitCode", record.failed->exit_code}};
    return value;
}

/// GET /build/history: newest first, without steps.
Response list_builds(Call& call) {
    json::Array builds;
    for (const build::BuildRecord& record : call.builder.history().list()) {
        json::Value value = show(record);
        value.as_object().erase("steps");
        builds.push_back(std::move(value));
    }
    return Response::json(std::move(builds));
}

/// GET /build/history/{id}
Response inspect_build(Call& call) { return Response::json(show(get_record(call))); }

/// GET /build/history/{id}/logs: all that the build printed.
Response build_logs(Call& call) {
    return Response::text(200, call.builder.history().log(get_record(call).id));
}

/// POST /build/history/{id}/debug: an image of what the failed step has left, and how to look
/// into it; the caller removes the image.
Response debug_build(Call& call) {
    const std::string& id = call.path("id");
    const build::Builder::DebugPlan plan = call.builder.prepare_debug(id == "last" ? "" : id);
    return Response::json(json::Object{{"Image", plan.image_id},
                                       {"Shell", plan.shell},
                                       {"Helper", plan.helper},
                                       {"Step", plan.failed.number},
                                       {"Text", plan.failed.text},
                                       {"ExitCode", plan.failed.exit_code},
                                       {"Env", plan.failed.environment},
                                       {"Command", plan.failed.command}});
}

/// POST /build/history/{id}/cache: an image that carries the results of the build's steps, and of
/// those that `also` names.
Response export_cache(Call& call) {
    const std::string& id = call.path("id");
    std::vector<std::string> ids{id == "last" ? "" : id};
    for (const auto& [name, value] : call.exchange.query)
        if (name == "also") ids.push_back(value);
    return Response::json(
        json::Object{{"Id", call.builder.export_cache(ids, call.query("mode") == "max")}});
}

constexpr Route routes[] = {
    {"GET", "/build/history", list_builds},
    {"GET", "/build/history/{id}", inspect_build},
    {"GET", "/build/history/{id}/logs", build_logs},
    {"POST", "/build/history/{id}/debug", debug_build},
    {"POST", "/build/history/{id}/cache", export_cache},
};

}  // namespace

std::span<const Route> build_history_routes() { return routes; }

}  // namespace hull::server
