#pragma once
#include "base/file.hh"
#include "base/json.hh"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The runtime-spec `config.json` as values. Absent members are nullopt or empty; what the spec
/// calls required is checked by the parser. Source: runtime-spec 1.3, config.md and
/// config-linux.md.
namespace hull::oci {

struct IdMapping {
    std::uint32_t container_id = 0, host_id = 0, size = 0;
};

struct ConsoleSize {
    unsigned short height = 0, width = 0;  ///< rows, columns
};

struct User {
    std::uint32_t uid = 0, gid = 0;
    std::optional<std::uint32_t> umask;
    std::vector<std::uint32_t> additional_gids;
    /// Windows only in the spec. Hull's engine puts here what the user typed,
    /// "user[:group][+group]", and the runtime resolves it inside the root file system; it then
    /// replaces the ids above.
    std::string username;
};

/// Names as written (`CAP_CHOWN`); an absent set is empty.
struct Capabilities {
    std::vector<std::string> bounding, effective, permitted, inheritable, ambient;
};

struct Rlimit {
    std::string type;  ///< RLIMIT_NOFILE …
    std::uint64_t soft = 0, hard = 0;
};

struct Scheduler {
    std::string policy;  ///< SCHED_OTHER …
    std::int32_t nice = 0, priority = 0;
    std::vector<std::string> flags;
    std::uint64_t runtime = 0, deadline = 0, period = 0;
};

struct IoPriority {
    std::string priority_class;  ///< IOPRIO_CLASS_RT, _BE, _IDLE
    int priority = 0;
};

struct ExecCpuAffinity {
    std::string initial, final_;  ///< CPU lists; `final` in the spec
};

/// `process`; also what `exec --process FILE` holds.
struct Process {
    bool terminal = false;
    std::optional<ConsoleSize> console_size;
    User user;
    std::vector<std::string> args, env;
    std::string cwd;
    std::optional<Capabilities> capabilities;  ///< absent: not written; the runtime decides
    std::vector<Rlimit> rlimits;
    bool no_new_privileges = false;
    std::string apparmor_profile, selinux_label;
    std::optional<int> oom_score_adj;
    std::optional<Scheduler> scheduler;
    std::optional<IoPriority> io_priority;
    std::optional<ExecCpuAffinity> exec_cpu_affinity;
};

struct Root {
    Path path;  ///< absolute, or relative to the bundle
    bool readonly = false;
};

struct Mount {
    Path destination;
    std::string type, source;
    std::vector<std::string> options;
    std::vector<IdMapping> uid_mappings, gid_mappings;
};

struct Hook {
    Path path;
    std::vector<std::string> args, env;
    std::optional<int> timeout_s;
};

struct Hooks {
    std::vector<Hook> prestart, create_runtime, create_container, start_container, poststart,
        poststop;
};

enum class NamespaceType { pid, network, mount, ipc, uts, user, cgroup, time };
std::string_view to_string(NamespaceType type);  ///< the spec's word

struct Namespace {
    NamespaceType type;
    Path path;  ///< empty: a new one
};

/// A node to make below the container's /dev.
struct Device {
    char type = 'c';  ///< c, b, u or p
    Path path;
    std::int64_t major = 0, minor = 0;
    std::optional<std::uint32_t> file_mode, uid, gid;
};

/// One allow or deny rule. No major or minor means any.
struct DeviceRule {
    bool allow = false;
    std::string type;  ///< a, c, b; empty means a
    std::optional<std::int64_t> major, minor;
    std::string access;  ///< subset of rwm
};

struct MemoryResources {
    std::optional<std::int64_t> limit, reservation, swap, kernel, kernel_tcp;
    std::optional<std::uint64_t> swappiness;
    std::optional<bool> disable_oom_killer, use_hierarchy, check_before_update;
};

struct CpuResources {
    std::optional<std::uint64_t> shares, period, burst, realtime_period;
    std::optional<std::int64_t> quota, realtime_runtime, idle;
    std::string cpus, mems;
};

struct WeightDevice {
    std::int64_t major = 0, minor = 0;
    std::optional<std::uint16_t> weight, leaf_weight;
};

struct ThrottleDevice {
    std::int64_t major = 0, minor = 0;
    std::uint64_t rate = 0;
};

struct BlockIoResources {
    std::optional<std::uint16_t> weight, leaf_weight;
    std::vector<WeightDevice> weight_device;
    std::vector<ThrottleDevice> throttle_read_bps, throttle_write_bps, throttle_read_iops,
        throttle_write_iops;
};

struct HugepageLimit {
    std::string page_size;  ///< 2MB, 1GB
    std::uint64_t limit = 0;
};

struct InterfacePriority {
    std::string name;
    std::uint32_t priority = 0;
};

struct NetworkResources {
    std::optional<std::uint32_t> class_id;
    std::vector<InterfacePriority> priorities;
};

struct RdmaLimit {
    std::optional<std::uint32_t> hca_handles, hca_objects;
};

struct Resources {
    std::vector<DeviceRule> devices;
    MemoryResources memory;
    CpuResources cpu;
    std::optional<std::int64_t> pids_limit;
    BlockIoResources block_io;
    std::vector<HugepageLimit> hugepage_limits;
    NetworkResources network;
    std::map<std::string, RdmaLimit> rdma;
    std::map<std::string, std::string> unified;
};

struct SeccompArgument {
    unsigned index = 0;
    std::uint64_t value = 0, value_two = 0;
    std::string op;  ///< SCMP_CMP_NE …
};

struct SeccompRule {
    std::vector<std::string> names;
    std::string action;  ///< SCMP_ACT_ALLOW …
    std::optional<unsigned> errno_return;
    std::vector<SeccompArgument> arguments;
};

struct Seccomp {
    std::string default_action;
    std::optional<unsigned> default_errno_return;
    std::vector<std::string> architectures, flags;
    Path listener_path;
    std::string listener_metadata;
    std::vector<SeccompRule> syscalls;
};

struct Personality {
    std::string domain;  ///< LINUX or LINUX32
    std::vector<std::string> flags;
};

struct TimeOffset {
    std::int64_t seconds = 0;
    std::uint32_t nanoseconds = 0;
};

struct MemoryPolicy {
    std::string mode, nodes;
    std::vector<std::string> flags;
};

struct IntelRdt {
    std::string clos_id;
    std::vector<std::string> schemata;
    std::string l3_cache_schema, mem_bw_schema;
    bool enable_monitoring = false;
};

struct Linux {
    std::vector<Namespace> namespaces;
    std::vector<IdMapping> uid_mappings, gid_mappings;
    std::map<std::string, TimeOffset> time_offsets;  ///< "boottime", "monotonic"
    std::vector<Device> devices;
    std::map<std::string, std::string> net_devices;  ///< host name -> name inside
    std::string cgroups_path;
    Resources resources;
    std::optional<IntelRdt> intel_rdt;
    std::optional<MemoryPolicy> memory_policy;
    std::map<std::string, std::string> sysctl;
    std::optional<Seccomp> seccomp;
    std::string rootfs_propagation;
    std::vector<Path> masked_paths, readonly_paths;
    std::string mount_label;
    std::optional<Personality> personality;

    const Namespace* find_namespace(NamespaceType type) const;
};

struct Spec {
    std::string oci_version = "1.3.0";
    Root root;
    std::optional<Process> process;
    std::string hostname, domainname;
    std::vector<Mount> mounts;
    Hooks hooks;
    std::map<std::string, std::string> annotations;
    Linux linux_;
};

/// Reads a config.json. Throws invalid_argument naming the member ("linux.resources.memory.limit:
/// expected an integer, got a string"); versions 1.0 to 1.3 are accepted, unknown members ignored
/// as the spec asks.
Spec parse_spec(std::string_view text);
inline Spec parse_spec(const std::string& text) { return parse_spec(std::string_view(text)); }
Spec parse_spec(const json::Value& value);
Process parse_process(const json::Value& value);
/// `linux.resources` alone, as `update -r FILE` has it.
Resources parse_resources(const json::Value& value);
/// The runtime-spec form of a seccomp profile (not Docker's, see seccomp_profile.hh).
Seccomp parse_seccomp(const json::Value& value);

/// Absent and empty members are left out.
json::Value to_json(const Spec& spec);
json::Value to_json(const Process& process);
json::Value to_json(const Resources& resources);
json::Value to_json(const Seccomp& seccomp);

}  // namespace hull::oci
