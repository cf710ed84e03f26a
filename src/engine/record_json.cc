#include "base/error.hh"
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
    return json::Object{
        {"id", definition.id},
        {"created_ns", definition.created_ns},
        {"image_id", definition.image_id},
        {"diff_ids", definition.diff_ids},
        {"config", api::to_json(definition.config)},
        {"host", api::to_json(definition.host)},
        {"path", definition.path},
        {"args", definition.args},
        {"mounts", api::to_json_array(definition.mounts)},
        {"volumes", definition.volumes},
    };
}

Definition parse_definition(const json::Value& value) {
    Definition definition;
    definition.id = value["id"].as_string();
    definition.created_ns = value["created_ns"].as_int();
    definition.image_id = value["image_id"].as_string();
    definition.diff_ids = value["diff_ids"].as_strings();
    definition.config = api::parse<api::ContainerConfig>(value["config"]);
    definition.host = api::parse<api::HostConfig>(value["host"]);
    definition.path = value["path"].as_string();
    definition.args = value["args"].as_strings();
    definition.mounts = api::parse_array<api::MountPoint>(value["mounts"]);
    definition.volumes = value["volumes"].as_string_map();
    return definition;
}

json::Value to_json(const RunState& state) {
    return json::Object{
        {"phase", to_string(state.phase)},
        {"pid", static_cast<std::int64_t>(state.pid)},
        {"start_time", static_cast<std::uint64_t>(state.start_time)},
        {"boot_id", state.boot_id},
        {"exit_code", state.exit_code},
        {"oom_killed", state.oom_killed},
        {"error", state.error},
        {"started_ns", state.started_ns},
        {"finished_ns", state.finished_ns},
        {"restart_count", state.restart_count},
        {"stopped_by_user", state.stopped_by_user},
    };
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
    state.started_ns = value["started_ns"].as_int();
    state.finished_ns = value["finished_ns"].as_int();
    state.restart_count = static_cast<int>(value["restart_count"].as_int());
    state.stopped_by_user = value["stopped_by_user"].as_bool();
    return state;
}

}  // namespace hull::engine
