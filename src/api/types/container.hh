#pragma once
#include "api/types/host_config.hh"
#include "api/types/network.hh"
#include "api/types/nullable.hh"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace hull::api {

/// Durations are nanoseconds; 0 inherits.
struct HealthConfig {
    Strings test;
    std::int64_t interval = 0, timeout = 0, start_period = 0, start_interval = 0, retries = 0;
    std::string action;  ///< ours: what unhealthy leads to: "", none, restart, stop, kill
};

/// Keys of Go's map[string]struct{}: {"80/tcp": {}}.
using KeySet = Nullable<std::set<std::string>>;

/// Docker's container Config: the create body's top level, and Config of an inspect.
struct ContainerConfig {
    std::string hostname, domainname, user;
    bool attach_stdin = false, attach_stdout = false, attach_stderr = false;
    KeySet exposed_ports;
    bool tty = false, open_stdin = false, stdin_once = false;
    Strings env;
    Strings cmd;  ///< null = the image's; in JSON a single string is accepted, too
    std::optional<HealthConfig> healthcheck;
    bool args_escaped = false;
    std::string image;
    KeySet volumes;
    std::string working_dir;
    Strings entrypoint;  ///< null = the image's
    bool network_disabled = false;
    std::string mac_address;
    Strings on_build;
    StringMap labels;
    std::string stop_signal;
    std::optional<std::int64_t> stop_timeout;  ///< seconds
    Strings shell;
};

/// POST /containers/create: {…ContainerConfig, "HostConfig", "NetworkingConfig"}.
struct CreateRequest {
    ContainerConfig config;
    HostConfig host_config;
    NetworkingConfig networking_config;
};

struct CreateResponse {
    std::string id;
    std::vector<std::string> warnings;
};

struct WaitResponse {
    std::int64_t status_code = 0;
    std::string error;  ///< "" = none
};

struct HealthcheckResult {
    std::string start, end;
    std::int64_t exit_code = 0;
    std::string output;
};
struct Health {
    std::string status;
    std::int64_t failing_streak = 0;
    Nullable<std::vector<HealthcheckResult>> log;
};

struct State {
    std::string status;  ///< created, running, paused, restarting, removing, exited, dead
    bool running = false, paused = false, restarting = false, oom_killed = false, dead = false;
    std::int64_t pid = 0, exit_code = 0;
    std::string error;
    std::string reason;                   ///< ours: why it ended, in words; "" while it runs
    std::string started_at, finished_at;  ///< RFC 3339; hull::zero_time when never
    std::optional<Health> health;
};

/// One of Mounts in inspect and list replies.
struct MountPoint {
    std::string type, name, source, destination, driver, mode;
    bool rw = false;
    std::string propagation;
};

struct GraphDriver {
    StringMap data;
    std::string name;
};

/// GET /containers/{id}/json
struct ContainerInspect {
    std::string id, created, path;
    std::vector<std::string> args;
    State state;
    std::string image;  ///< sha256:…
    std::string resolv_conf_path, hostname_path, hosts_path, log_path;
    std::string name;  ///< with the leading slash
    std::int64_t restart_count = 0;
    std::string driver, platform, mount_label, process_label, app_armor_profile;
    Strings exec_ids;
    HostConfig host_config;
    GraphDriver graph_driver;
    std::optional<std::int64_t> size_rw, size_root_fs;
    std::vector<MountPoint> mounts;
    ContainerConfig config;
    NetworkSettings network_settings;
};

/// One published or exposed port of a container list.
struct PortSummary {
    std::string ip;
    std::int64_t private_port = 0, public_port = 0;
    std::string type;
};

/// One item of GET /containers/json.
struct ContainerSummary {
    std::string id;
    std::vector<std::string> names;  ///< with the leading slash
    std::string image, image_id, command;
    std::int64_t created = 0;  ///< unix seconds
    std::vector<PortSummary> ports;
    std::optional<std::int64_t> size_rw, size_root_fs;
    StringMap labels = StringMap::none();
    std::string state, status;
    std::string network_mode;  ///< HostConfig.NetworkMode
    StringMap annotations;     ///< HostConfig.Annotations
    Nullable<std::map<std::string, EndpointSettings>> networks =
        std::map<std::string, EndpointSettings>();  ///< NetworkSettings.Networks
    std::vector<MountPoint> mounts;
};

/// GET /containers/{id}/top
struct TopResponse {
    std::vector<std::string> titles;
    std::vector<std::vector<std::string>> processes;
};

json::Value to_json(const ContainerConfig&);
void from_json(const json::Value&, ContainerConfig&);
json::Value to_json(const CreateRequest&);
void from_json(const json::Value&, CreateRequest&);
json::Value to_json(const CreateResponse&);
void from_json(const json::Value&, CreateResponse&);
json::Value to_json(const WaitResponse&);
void from_json(const json::Value&, WaitResponse&);
json::Value to_json(const State&);
void from_json(const json::Value&, State&);
json::Value to_json(const MountPoint&);
void from_json(const json::Value&, MountPoint&);
json::Value to_json(const ContainerInspect&);
void from_json(const json::Value&, ContainerInspect&);
json::Value to_json(const ContainerSummary&);
void from_json(const json::Value&, ContainerSummary&);
json::Value to_json(const TopResponse&);
void from_json(const json::Value&, TopResponse&);

}  // namespace hull::api
