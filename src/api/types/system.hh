#pragma once
#include "api/types/nullable.hh"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hull::api {

struct ComponentVersion {
    std::string name, version;
    StringMap details;
};

/// GET /version
struct SystemVersion {
    std::string platform_name;
    std::vector<ComponentVersion> components;
    std::string version, api_version, min_api_version, git_commit, go_version, os, arch,
        kernel_version;
    bool experimental = false;
    std::string build_time;
};

/// GET /info: what varies; members that are fixed for Hull are written by to_json.
struct SystemInfo {
    std::string id;
    std::int64_t containers = 0, containers_running = 0, containers_paused = 0,
                 containers_stopped = 0, images = 0;
    std::string driver;
    std::vector<std::pair<std::string, std::string>> driver_status;
    std::vector<std::string> log_plugins, network_plugins, volume_plugins;
    bool memory_limit = false, swap_limit = false, cpu_cfs_period = false, cpu_cfs_quota = false,
         cpu_shares = false, cpu_set = false, pids_limit = false, ipv4_forwarding = false;
    bool oom_kill_disable = false;
    bool debug = false;
    std::int64_t n_fd = 0, n_goroutines = 0, n_events_listener = 0;
    std::string system_time, logging_driver, cgroup_driver, cgroup_version;
    std::string kernel_version, operating_system, os_version, os_type, architecture;
    std::int64_t ncpu = 0, mem_total = 0;
    std::string docker_root_dir, http_proxy, https_proxy, no_proxy, name;
    std::vector<std::string> labels;
    bool experimental_build = false;
    std::string server_version;
    std::map<std::string, std::string> runtimes;  ///< name -> path
    std::string default_runtime;
    bool live_restore_enabled = true;
    std::string init_binary;
    std::vector<std::string> security_options;
    Strings warnings;
};

struct EventActor {
    std::string id;
    std::map<std::string, std::string> attributes;
};

/// One message of GET /events. The legacy members status, id and from are derived in to_json.
struct EventMessage {
    std::string type, action;
    EventActor actor;
    std::string scope = "local";
    std::int64_t time_ns = 0;
    /// Ours: counts up by one over all events of all daemons on these data, from 1. 0: none.
    std::uint64_t sequence = 0;
};

/// One line of a progress stream (pull, load, import, build).
struct ProgressMessage {
    std::string stream, status, id;
    std::optional<std::pair<std::int64_t, std::int64_t>> progress;  ///< current, total
    std::string error;
    std::int64_t error_code = 0;
    json::Value aux;
};

json::Value to_json(const ComponentVersion&);
void from_json(const json::Value&, ComponentVersion&);
json::Value to_json(const SystemVersion&);
void from_json(const json::Value&, SystemVersion&);
json::Value to_json(const SystemInfo&);
void from_json(const json::Value&, SystemInfo&);
json::Value to_json(const EventMessage&);
void from_json(const json::Value&, EventMessage&);
json::Value to_json(const ProgressMessage&);
void from_json(const json::Value&, ProgressMessage&);

}  // namespace hull::api
