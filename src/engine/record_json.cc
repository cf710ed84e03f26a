#include "base/error.hh"
#include "engine/mounts.hh"
#include "engine/record.hh"

#include <iterator>

namespace hull::engine {

namespace {
constexpr std::string_view phase_names[] = {"created",  "running", "paused", "restarting",
                                            "removing", "exited",  "dead"};
}

std::string_view to_string(Phase phase) { return phase_names[static_cast<int>(phase)]; }

static Phase parse_phase(std::string_view text) {
    for (std::size_t i = 0; i < std::size(phase_names); ++i)
        if (phase_names[i] == text) return static_cast<Phase>(i);
    throw Error(ErrorKind::data_loss, "unknown phase '{}'", text);
}

json::Value to_json(const Definition& definition) {
    json::Array plan;
    for (const PlannedMount& mount : definition.plan) plan.push_back(to_json(mount));
    return json::Object{
        {"id", definition.id},
        {"created_ns", definition.created_ns},
        {"image_id", definition.image_id},
        {"diff_ids", definition.diff_ids},
        {"config", api::to_json(definition.config)},
        {"host", api::to_json(definition.host)},
        {"is_step", definition.is_step},
        {"has_default_log", definition.has_default_log},
        {"path", definition.path},
        {"args", definition.args},
        {"mounts", api::to_json_array(definition.mounts)},
        {"plan", std::move(plan)},
    };
}

/// Rows of before volumes had records: only the names of anonymous ones were kept.
static std::vector<PlannedMount> plan_of_older_row(
    const Definition& definition, const std::map<std::string, std::string>& volumes) {
    std::vector<PlannedMount> plan = plan_mounts(definition.config, definition.host);
    for (PlannedMount& mount : plan) {
        if (mount.type != PlannedMount::Type::volume) continue;
        if (const auto name = volumes.find(mount.destination); name != volumes.end())
            mount.volume = name->second;
        for (const api::MountPoint& point : definition.mounts)
            if (point.destination == mount.destination) mount.source = point.source;
        mount.driver = "local";
    }
    return plan;
}

Definition parse_definition(const json::Value& value) {
    Definition definition;
    definition.id = value["id"].as_string();
    definition.created_ns = value["created_ns"].as_int();
    definition.image_id = value["image_id"].as_string();
    definition.diff_ids = value["diff_ids"].as_strings();
    definition.config = api::parse<api::ContainerConfig>(value["config"]);
    definition.host = api::parse<api::HostConfig>(value["host"]);
    if (value["is_step"].is_bool()) definition.is_step = value["is_step"].as_bool();
    if (value["has_default_log"].is_bool())  // older rows have none
        definition.has_default_log = value["has_default_log"].as_bool();
    definition.path = value["path"].as_string();
    definition.args = value["args"].as_strings();
    definition.mounts = api::parse_array<api::MountPoint>(value["mounts"]);
    if (value["plan"].is_array())
        for (const json::Value& mount : value["plan"].as_array())
            definition.plan.push_back(parse_planned_mount(mount));
    else
        definition.plan = plan_of_older_row(definition, value["volumes"].as_string_map());
    return definition;
}

static json::Value to_json(const Health& health) {
    json::Array log;
    for (const ProbeResult& result : health.log)
        log.push_back(json::Object{{"started_ns", result.started_ns},
                                   {"ended_ns", result.ended_ns},
                                   {"exit_code", result.exit_code},
                                   {"output", result.output}});
    return json::Object{{"status", to_string(health.status)},
                        {"failing_streak", health.failing_streak},
                        {"log", std::move(log)}};
}

static Health parse_health(const json::Value& value) {
    Health health;
    health.status = parse_health_status(value["status"].as_string());
    health.failing_streak = static_cast<int>(value["failing_streak"].as_int());
    for (const json::Value& item : value["log"].as_array())
        health.log.push_back({item["started_ns"].as_int(), item["ended_ns"].as_int(),
                              static_cast<int>(item["exit_code"].as_int()),
                              item["output"].as_string()});
    return health;
}

json::Value to_json(const RunState& state) {
    json::Object object{
        {"phase", to_string(state.phase)},
        {"pid", static_cast<std::int64_t>(state.pid)},
        {"start_time", static_cast<std::uint64_t>(state.start_time)},
        {"boot_id", state.boot_id},
        {"exit_code", state.exit_code},
        {"oom_killed", state.oom_killed},
        {"error", state.error},
        {"reason", state.reason},
        {"started_ns", state.started_ns},
        {"finished_ns", state.finished_ns},
        {"restart_count", state.restart_count},
        {"stopped_by_user", state.stopped_by_user},
    };
    if (state.health) object.append("health", to_json(*state.health));
    return object;
}

RunState parse_run_state(const json::Value& value) {
    RunState state;
    state.phase = parse_phase(value["phase"].as_string());
    state.pid = static_cast<pid_t>(value["pid"].as_int());
    state.start_time = value["start_time"].as_uint();
    state.boot_id = value["boot_id"].as_string();
    state.exit_code = static_cast<int>(value["exit_code"].as_int());
    state.oom_killed = value["oom_killed"].as_bool();
    state.error = value["error"].as_string();
    if (value["reason"].is_string())
        state.reason = value["reason"].as_string();  // older rows: none
    state.started_ns = value["started_ns"].as_int();
    state.finished_ns = value["finished_ns"].as_int();
    state.restart_count = static_cast<int>(value["restart_count"].as_int());
    state.stopped_by_user = value["stopped_by_user"].as_bool();
    if (value["health"].is_object()) state.health = parse_health(value["health"]);
    return state;
}

}  // namespace hull::engine
