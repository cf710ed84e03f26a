#pragma once
#include "api/types/network.hh"
#include "api/types/nullable.hh"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hull::api {

struct LogConfig {
    std::string type;  ///< "" = the daemon's default
    StringMap config;
};

struct RestartPolicy {
    std::string name;  ///< "", "no", "always", "unless-stopped", "on-failure"
    std::int64_t maximum_retry_count = 0;
};

struct DeviceMapping {
    std::string path_on_host, path_in_container, cgroup_permissions;
};

struct DeviceRequest {
    std::string driver;
    std::int64_t count = 0;
    Strings device_ids;
    std::vector<std::vector<std::string>> capabilities;
    StringMap options;
};

struct Ulimit {
    std::string name;
    std::int64_t hard = 0, soft = 0;
};

struct WeightDevice {
    std::string path;
    std::int64_t weight = 0;
};

struct ThrottleDevice {
    std::string path;
    std::uint64_t rate = 0;
};

struct BindOptions {
    std::string propagation;
    bool non_recursive = false, create_mountpoint = false;
    bool read_only_non_recursive = false, read_only_force_recursive = false;
    std::string id_map;  ///< Hull's: "map=host", "idmap=…"
};

struct VolumeDriverConfig {
    std::string name;
    StringMap options;
};

struct VolumeOptions {
    bool no_copy = false;
    StringMap labels;
    std::string subpath;
    std::optional<VolumeDriverConfig> driver_config;
    std::string id_map;  ///< as BindOptions'
};

struct ImageOptions {
    std::string subpath;
};

struct TmpfsOptions {
    std::int64_t size_bytes = 0;
    std::int64_t mode = 0;  ///< permission bits as a decimal number
    std::vector<std::vector<std::string>> options;
};

/// One of HostConfig.Mounts.
struct Mount {
    std::string type, source, target;
    bool read_only = false;
    std::string consistency;
    std::optional<BindOptions> bind_options;
    std::optional<VolumeOptions> volume_options;
    std::optional<ImageOptions> image_options;
    std::optional<TmpfsOptions> tmpfs_options;
};

/// Hull's own: one of HostConfig.Secrets.
struct SecretUse {
    std::string source;  ///< name of the secret
    std::string target;  ///< file; "" with `env` is none, else /run/secrets/SOURCE
    std::string env;     ///< variable that has it; "" is none
    std::optional<std::int64_t> uid, gid;
    std::optional<std::int64_t> mode;  ///< permission bits as a decimal number; absent: 0400
};

/// Docker's HostConfig, Resources included. Sizes are bytes, CPU times microseconds.
struct HostConfig {
    Strings binds;
    std::string container_id_file;
    LogConfig log_config;
    std::string network_mode;
    PortMap port_bindings;
    RestartPolicy restart_policy;
    bool auto_remove = false;
    std::string volume_driver;
    Strings volumes_from;
    std::array<std::int64_t, 2> console_size{};  ///< rows, columns
    StringMap annotations;
    Strings cap_add, cap_drop;
    std::string cgroupns_mode;
    Strings dns, dns_options, dns_search, extra_hosts, group_add;
    std::string ipc_mode, cgroup;
    Strings links;
    std::int64_t oom_score_adj = 0;
    std::string pid_mode;
    bool privileged = false, publish_all_ports = false, readonly_rootfs = false;
    Strings security_opt;
    StringMap storage_opt, tmpfs;
    std::string uts_mode, userns_mode;
    std::int64_t shm_size = 0;  ///< 0 = the daemon's default, 64 MiB
    StringMap sysctls;
    std::string runtime, isolation;

    std::int64_t cpu_shares = 0, memory = 0, nano_cpus = 0;
    std::string cgroup_parent;
    std::int64_t blkio_weight = 0;
    Nullable<std::vector<WeightDevice>> blkio_weight_device;
    Nullable<std::vector<ThrottleDevice>> blkio_device_read_bps, blkio_device_write_bps,
        blkio_device_read_iops, blkio_device_write_iops;
    std::int64_t cpu_period = 0, cpu_quota = 0, cpu_realtime_period = 0, cpu_realtime_runtime = 0;
    std::string cpuset_cpus, cpuset_mems;
    Nullable<std::vector<DeviceMapping>> devices;
    Strings device_cgroup_rules;
    Nullable<std::vector<DeviceRequest>> device_requests;
    std::int64_t memory_reservation = 0, memory_swap = 0;
    std::optional<std::int64_t> memory_swappiness;
    std::optional<bool> oom_kill_disable;
    std::optional<std::int64_t> pids_limit;
    Nullable<std::vector<Ulimit>> ulimits;
    std::int64_t cpu_count = 0, cpu_percent = 0, io_maximum_iops = 0, io_maximum_bandwidth = 0;

    Nullable<std::vector<Mount>> mounts;
    std::vector<SecretUse> secrets;
    Strings masked_paths, readonly_paths;  ///< null = Docker's defaults, [] = none
    std::optional<bool> init;
};

json::Value to_json(const Ulimit&);
void from_json(const json::Value&, Ulimit&);
json::Value to_json(const Mount&);
void from_json(const json::Value&, Mount&);
json::Value to_json(const HostConfig&);
void from_json(const json::Value&, HostConfig&);

}  // namespace hull::api
