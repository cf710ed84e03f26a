#include "build/record.hh"

#include "base/error.hh"

#include <algorithm>
#include <utility>

namespace hull::build {

namespace {

constexpr std::pair<BuildStatus, std::string_view> statuses[] = {
    {BuildStatus::running, "running"},         {BuildStatus::completed, "completed"},
    {BuildStatus::failed, "failed"},           {BuildStatus::cancelled, "cancelled"},
    {BuildStatus::interrupted, "interrupted"},
};

BuildStatus parse_status(std::string_view text) {
    for (const auto& [status, name] : statuses)
        if (name == text) return status;
    throw Error(ErrorKind::data_loss, "unknown status {} of a build", text);
}

json::Value to_json(const StepRecord& step) {
    return json::Object{
        {"number", step.number}, {"stage", step.stage},
        {"text", step.text},     {"cached", step.cached},
        {"reason", step.reason}, {"started", step.started_ns},
        {"key", step.key},       {"duration", step.duration_ns},
        {"layer", step.diff_id}, {"size", step.content_bytes},
    };
}

StepRecord parse_step(const json::Value& value) {
    StepRecord step;
    step.number = value["number"].as_uint();
    step.stage = value["stage"].as_string();
    step.text = value["text"].as_string();
    step.cached = value["cached"].as_bool();
    step.reason = value["reason"].as_string();
    step.started_ns = value["started"].as_int();
    step.duration_ns = value["duration"].as_int();
    step.key = value["key"].as_string();
    step.diff_id = value["layer"].as_string();
    step.content_bytes = value["size"].as_uint();
    return step;
}

json::Value to_json(const image::BuiltLayer& layer) {
    return json::Object{{"diffID", layer.diff_id},
                        {"blob", layer.blob},
                        {"mediaType", layer.media_type},
                        {"blobSize", layer.blob_bytes},
                        {"size", layer.content_bytes}};
}

image::BuiltLayer parse_layer(const json::Value& value) {
    return {value["diffID"].as_string(), value["blob"].as_string(), value["mediaType"].as_string(),
            value["blobSize"].as_uint(), value["size"].as_uint()};
}

json::Value to_json(const FailedStep& failed) {
    json::Array layers;
    for (const image::BuiltLayer& layer : failed.layers) layers.push_back(to_json(layer));
    return json::Object{
        {"number", failed.number},      {"text", failed.text},
        {"exitCode", failed.exit_code}, {"config", failed.config},
        {"layers", std::move(layers)},  {"environment", failed.environment},
        {"command", failed.command},
    };
}

FailedStep parse_failed(const json::Value& value) {
    FailedStep failed;
    failed.number = value["number"].as_uint();
    failed.text = value["text"].as_string();
    failed.exit_code = static_cast<int>(value["exitCode"].as_int());
    failed.config = value["config"].as_string();
    for (const json::Value& layer : value["layers"].as_array())
        failed.layers.push_back(parse_layer(layer));
    failed.environment = value["environment"].as_strings();
    failed.command = value["command"].as_strings();
    return failed;
}

}  // namespace

std::string_view to_string(BuildStatus status) {
    for (const auto& [known, name] : statuses)
        if (known == status) return name;
    return "";
}

std::size_t BuildRecord::cached_count() const {
    return static_cast<std::size_t>(
        std::count_if(steps.begin(), steps.end(), [](const auto& step) { return step.cached; }));
}

json::Value to_json(const BuildRecord& record) {
    json::Array steps;
    for (const StepRecord& step : record.steps) steps.push_back(to_json(step));
    return json::Object{
        {"id", record.id},
        {"name", record.name},
        {"dockerfile", record.dockerfile},
        {"target", record.target},
        {"started", record.started_ns},
        {"duration", record.duration_ns},
        {"status", to_string(record.status)},
        {"error", record.error},
        {"image", record.image_id},
        {"stepCount", record.step_count},
        {"steps", std::move(steps)},
        {"failed", record.failed ? to_json(*record.failed) : json::Value()},
        {"waste", record.waste},
    };
}

BuildRecord parse_build_record(const json::Value& value) {
    BuildRecord record;
    record.id = value["id"].as_string();
    record.name = value["name"].as_string();
    record.dockerfile = value["dockerfile"].as_string();
    record.target = value["target"].as_string();
    record.started_ns = value["started"].as_int();
    record.duration_ns = value["duration"].as_int();
    record.status = parse_status(value["status"].as_string());
    record.error = value["error"].as_string();
    record.image_id = value["image"].as_string();
    record.step_count = value["stepCount"].as_uint();
    for (const json::Value& step : value["steps"].as_array())
        record.steps.push_back(parse_step(step));
    if (value["failed"].is_object()) record.failed = parse_failed(value["failed"]);
    record.waste = value["waste"];
    return record;
}

}  // namespace hull::build
