#pragma once
#include "api/types/container.hh"
#include "base/json.hh"
#include "engine/health.hh"
#include "engine/planned_mount.hh"

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hull::engine {

enum class Phase { created, running, paused, restarting, removing, exited, dead };
std::string_view to_string(Phase phase);  ///< Docker's word

/// What a container is: fixed at create, except for limits and the restart policy. The config is
/// already merged with the image's.
struct Definition {
    std::string id;
    std::int64_t created_ns = 0;
    std::string image_id;  ///< "sha256:…"
    std::vector<std::string> diff_ids;
    api::ContainerConfig config;
    api::HostConfig host;
    bool is_step = false;          ///< of a build: gone with the daemon that runs the build
    bool has_default_log = false;  ///< the driver in `host` was the daemon's choice
    std::string path;              ///< program and arguments: entrypoint + cmd
    std::vector<std::string> args;
    std::vector<api::MountPoint> mounts;  ///< as inspect shows them
    std::vector<PlannedMount> plan;       ///< what they are made from
};

/// What it is doing now.
struct RunState {
    Phase phase = Phase::created;
    pid_t pid = 0;
    unsigned long long start_time = 0;  ///< of `pid`, tells a recycled pid apart
    std::string boot_id;                ///< of the host when it was started
    int exit_code = 0;
    bool oom_killed = false;
    std::string reason;  ///< why it ended, in words
    std::string error;   ///< why it could not be started, or how the host ended it
    std::int64_t started_ns = 0, finished_ns = 0;  ///< 0: never
    int restart_count = 0;
    std::optional<Health> health;  ///< absent: it has no check, or never ran
    bool stopped_by_user = false;  ///< suppresses the restart policy

    bool is_running() const { return phase == Phase::running || phase == Phase::paused; }
};

/// One immutable snapshot of a container: list and inspect read these and wait for nobody.
struct Record {
    std::shared_ptr<const Definition> definition;  ///< shared by snapshots
    std::string name;                              ///< without the slash
    RunState state;

    const std::string& id() const { return definition->id; }
};
using RecordPointer = std::shared_ptr<const Record>;  ///< the container and every reader own it

json::Value to_json(const Definition& definition);
Definition parse_definition(const json::Value& value);
json::Value to_json(const RunState& state);
RunState parse_run_state(const json::Value& value);

}  // namespace hull::engine
