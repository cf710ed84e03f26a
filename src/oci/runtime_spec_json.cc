#include "oci/json_fields.hh"
#include "oci/runtime_spec.hh"

#include <algorithm>
#include <array>
#include <charconv>

namespace hull::oci {

namespace {

constexpr std::pair<NamespaceType, std::string_view> namespace_words[] = {
    {NamespaceType::pid, "pid"},       {NamespaceType::network, "network"},
    {NamespaceType::mount, "mount"},   {NamespaceType::ipc, "ipc"},
    {NamespaceType::uts, "uts"},       {NamespaceType::user, "user"},
    {NamespaceType::cgroup, "cgroup"}, {NamespaceType::time, "time"},
};

template <std::size_t Count>
void expect_word(const Field& field, std::string_view word,
                 const std::array<std::string_view, Count>& words) {
    if (std::ranges::find(words, word) == words.end())
        field.fail(fmt::format("unknown value {:?}", word));
}

}  // namespace

std::string_view to_string(NamespaceType type) {
    for (const auto& [known, word] : namespace_words)
        if (known == type) return word;
    return "";
}

const Namespace* Linux::find_namespace(NamespaceType type) const {
    const auto found = std::ranges::find(namespaces, type, &Namespace::type);
    return found == namespaces.end() ? nullptr : &*found;
}

// The `load` of each struct is found by argument-dependent lookup from Field::read, so they have to
// be in hull::oci, not in an anonymous namespace.

void load(const Field& field, IdMapping& target) {
    field.read_required("containerID", target.container_id);
    field.read_required("hostID", target.host_id);
    field.read_required("size", target.size);
}

void load(const Field& field, ConsoleSize& target) {
    field.read_required("height", target.height);
    field.read_required("width", target.width);
}

void load(const Field& field, User& target) {
    field.read("uid", target.uid);
    field.read("gid", target.gid);
    field.read("umask", target.umask);
    field.read("additionalGids", target.additional_gids);
    field.read("username", target.username);
}

void load(const Field& field, Capabilities& target) {
    field.read("bounding", target.bounding);
    field.read("effective", target.effective);
    field.read("permitted", target.permitted);
    field.read("inheritable", target.inheritable);
    field.read("ambient", target.ambient);
}

void load(const Field& field, Rlimit& target) {
    field.read_required("type", target.type);
    field.read_required("soft", target.soft);
    field.read_required("hard", target.hard);
}

void load(const Field& field, Scheduler& target) {
    field.read_required("policy", target.policy);
    field.read("nice", target.nice);
    field.read("priority", target.priority);
    field.read("flags", target.flags);
    field.read("runtime", target.runtime);
    field.read("deadline", target.deadline);
    field.read("period", target.period);
}

void load(const Field& field, IoPriority& target) {
    field.read_required("class", target.priority_class);
    field.read("priority", target.priority);
}

void load(const Field& field, ExecCpuAffinity& target) {
    field.read("initial", target.initial);
    field.read("final", target.final_);
}

void load(const Field& field, Process& target) {
    field.read("terminal", target.terminal);
    field.read("consoleSize", target.console_size);
    field.read("user", target.user);
    field.read("args", target.args);
    field.read("env", target.env);
    field.read_required("cwd", target.cwd);
    if (!target.cwd.starts_with('/'))
        field.member("cwd").fail(fmt::format("{:?} is not an absolute path", target.cwd));
    if (target.args.empty()) field.member("args").fail("must not be empty");
    field.read("capabilities", target.capabilities);
    field.read("rlimits", target.rlimits);
    field.read("noNewPrivileges", target.no_new_privileges);
    field.read("apparmorProfile", target.apparmor_profile);
    field.read("selinuxLabel", target.selinux_label);
    field.read("oomScoreAdj", target.oom_score_adj);
    field.read("scheduler", target.scheduler);
    field.read("ioPriority", target.io_priority);
    field.read("execCPUAffinity", target.exec_cpu_affinity);
}

void load(const Field& field, Root& target) {
    field.read_required("path", target.path);
    field.read("readonly", target.readonly);
}

void load(const Field& field, Mount& target) {
    field.read_required("destination", target.destination);
    field.read("type", target.type);
    field.read("source", target.source);
    field.read("options", target.options);
    field.read("uidMappings", target.uid_mappings);
    field.read("gidMappings", target.gid_mappings);
}

void load(const Field& field, Hook& target) {
    field.read_required("path", target.path);
    if (!target.path.starts_with('/'))
        field.member("path").fail(fmt::format("{:?} is not an absolute path", target.path));
    field.read("args", target.args);
    field.read("env", target.env);
    field.read("timeout", target.timeout_s);
    if (target.timeout_s && *target.timeout_s <= 0)
        field.member("timeout").fail("must be greater than zero");
}

void load(const Field& field, Hooks& target) {
    field.read("prestart", target.prestart);
    field.read("createRuntime", target.create_runtime);
    field.read("createContainer", target.create_container);
    field.read("startContainer", target.start_container);
    field.read("poststart", target.poststart);
    field.read("poststop", target.poststop);
}

void load(const Field& field, NamespaceType& target) {
    std::string word;
    load(field, word);
    const auto found = std::ranges::find(namespace_words, word,
                                         &std::pair<NamespaceType, std::string_view>::second);
    if (found == std::end(namespace_words)) field.fail(fmt::format("unknown namespace {:?}", word));
    target = found->first;
}

void load(const Field& field, Namespace& target) {
    field.read_required("type", target.type);
    field.read("path", target.path);
    if (!target.path.empty() && !target.path.starts_with('/'))
        field.member("path").fail(fmt::format("{:?} is not an absolute path", target.path));
}

void load(const Field& field, Device& target) {
    std::string type;
    field.read_required("type", type);
    if (type.size() != 1 || std::string_view("cbup").find(type) == std::string_view::npos)
        field.member("type").fail(fmt::format("unknown device type {:?}", type));
    target.type = type[0];
    field.read_required("path", target.path);
    field.read("major", target.major);
    field.read("minor", target.minor);
    field.read("fileMode", target.file_mode);
    field.read("uid", target.uid);
    field.read("gid", target.gid);
}

void load(const Field& field, DeviceRule& target) {
    field.read_required("allow", target.allow);
    field.read("type", target.type);
    if (target.type.size() > 1 || std::string_view("abcup").find(target.type) == std::string::npos)
        field.member("type").fail(fmt::format("unknown device type {:?}", target.type));
    field.read("major", target.major);
    field.read("minor", target.minor);
    field.read("access", target.access);
    if (target.access.find_first_not_of("rwm") != std::string::npos)
        field.member("access").fail(fmt::format("{:?} has more than r, w and m", target.access));
}

void load(const Field& field, MemoryResources& target) {
    field.read("limit", target.limit);
    field.read("reservation", target.reservation);
    field.read("swap", target.swap);
    field.read("kernel", target.kernel);
    field.read("kernelTCP", target.kernel_tcp);
    field.read("swappiness", target.swappiness);
    field.read("disableOOMKiller", target.disable_oom_killer);
    field.read("useHierarchy", target.use_hierarchy);
    field.read("checkBeforeUpdate", target.check_before_update);
}

void load(const Field& field, CpuResources& target) {
    field.read("shares", target.shares);
    field.read("period", target.period);
    field.read("burst", target.burst);
    field.read("realtimePeriod", target.realtime_period);
    field.read("quota", target.quota);
    field.read("realtimeRuntime", target.realtime_runtime);
    field.read("idle", target.idle);
    field.read("cpus", target.cpus);
    field.read("mems", target.mems);
}

void load(const Field& field, WeightDevice& target) {
    field.read_required("major", target.major);
    field.read_required("minor", target.minor);
    field.read("weight", target.weight);
    field.read("leafWeight", target.leaf_weight);
}

void load(const Field& field, ThrottleDevice& target) {
    field.read_required("major", target.major);
    field.read_required("minor", target.minor);
    field.read("rate", target.rate);
}

void load(const Field& field, BlockIoResources& target) {
    field.read("weight", target.weight);
    field.read("leafWeight", target.leaf_weight);
    field.read("weightDevice", target.weight_device);
    field.read("throttleReadBpsDevice", target.throttle_read_bps);
    field.read("throttleWriteBpsDevice", target.throttle_write_bps);
    field.read("throttleReadIOPSDevice", target.throttle_read_iops);
    field.read("throttleWriteIOPSDevice", target.throttle_write_iops);
}

void load(const Field& field, HugepageLimit& target) {
    field.read_required("pageSize", target.page_size);
    if (target.page_size.find('/') != std::string::npos)  // it becomes part of a file name
        field.member("pageSize").fail(fmt::format("{:?} is not a page size", target.page_size));
    field.read_required("limit", target.limit);
}

void load(const Field& field, InterfacePriority& target) {
    field.read_required("name", target.name);
    field.read_required("priority", target.priority);
}

void load(const Field& field, NetworkResources& target) {
    field.read("classID", target.class_id);
    field.read("priorities", target.priorities);
}

void load(const Field& field, RdmaLimit& target) {
    field.read("hcaHandles", target.hca_handles);
    field.read("hcaObjects", target.hca_objects);
}

void load(const Field& field, Resources& target) {
    field.read("devices", target.devices);
    field.read("memory", target.memory);
    field.read("cpu", target.cpu);
    field.member("pids").read("limit", target.pids_limit);
    field.read("blockIO", target.block_io);
    field.read("hugepageLimits", target.hugepage_limits);
    field.read("network", target.network);
    field.read("rdma", target.rdma);
    field.read("unified", target.unified);
}

void load(const Field& field, SeccompArgument& target) {
    field.read_required("index", target.index);
    if (target.index > 5) field.member("index").fail("a system call has 6 arguments");
    field.read_required("value", target.value);
    field.read("valueTwo", target.value_two);
    field.read_required("op", target.op);
    expect_word(
        field.member("op"), target.op,
        std::to_array<std::string_view>({"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ",
                                         "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ"}));
}

namespace {

constexpr auto seccomp_actions = std::to_array<std::string_view>(
    {"SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP",
     "SCMP_ACT_ERRNO", "SCMP_ACT_TRACE", "SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY"});

}  // namespace

void load(const Field& field, SeccompRule& target) {
    field.read_required("names", target.names);
    if (target.names.empty()) field.member("names").fail("must not be empty");
    field.read_required("action", target.action);
    expect_word(field.member("action"), target.action, seccomp_actions);
    field.read("errnoRet", target.errno_return);
    field.read("args", target.arguments);
}

void load(const Field& field, Seccomp& target) {
    field.read_required("defaultAction", target.default_action);
    expect_word(field.member("defaultAction"), target.default_action, seccomp_actions);
    field.read("defaultErrnoRet", target.default_errno_return);
    field.read("architectures", target.architectures);
    field.read("flags", target.flags);
    field.read("listenerPath", target.listener_path);
    field.read("listenerMetadata", target.listener_metadata);
    field.read("syscalls", target.syscalls);
}

void load(const Field& field, Personality& target) {
    field.read_required("domain", target.domain);
    expect_word(field.member("domain"), target.domain,
                std::to_array<std::string_view>({"LINUX", "LINUX32"}));
    field.read("flags", target.flags);
}

void load(const Field& field, TimeOffset& target) {
    field.read("secs", target.seconds);
    field.read("nanosecs", target.nanoseconds);
}

void load(const Field& field, MemoryPolicy& target) {
    field.read("mode", target.mode);
    field.read("nodes", target.nodes);
    field.read("flags", target.flags);
}

void load(const Field& field, IntelRdt& target) {
    field.read("closID", target.clos_id);
    field.read("schemata", target.schemata);
    field.read("l3CacheSchema", target.l3_cache_schema);
    field.read("memBwSchema", target.mem_bw_schema);
    field.read("enableMonitoring", target.enable_monitoring);
}

namespace {

/// {"eth0": {"name": "inner"}}; without a name it keeps its own.
void load_net_devices(const Field& field, std::map<std::string, std::string>& target) {
    for (const auto& [name, value] : expect_object(field)) {
        std::string inner = name;
        field.named_element(value, name).read("name", inner);
        target[name] = inner;
    }
}

}  // namespace

void load(const Field& field, Linux& target) {
    field.read("namespaces", target.namespaces);
    for (const Namespace& entry : target.namespaces)
        if (std::ranges::count(target.namespaces, entry.type, &Namespace::type) > 1)
            field.member("namespaces")
                .fail(fmt::format("{} is listed twice", to_string(entry.type)));
    field.read("uidMappings", target.uid_mappings);
    field.read("gidMappings", target.gid_mappings);
    field.read("timeOffsets", target.time_offsets);
    field.read("devices", target.devices);
    if (const Field devices = field.member("netDevices"); !devices.value().is_null())
        load_net_devices(devices, target.net_devices);
    field.read("cgroupsPath", target.cgroups_path);
    field.read("resources", target.resources);
    field.read("intelRdt", target.intel_rdt);
    field.read("memoryPolicy", target.memory_policy);
    field.read("sysctl", target.sysctl);
    field.read("seccomp", target.seccomp);
    field.read("rootfsPropagation", target.rootfs_propagation);
    field.read("maskedPaths", target.masked_paths);
    field.read("readonlyPaths", target.readonly_paths);
    field.read("mountLabel", target.mount_label);
    field.read("personality", target.personality);
}

namespace {

/// 1.0 to 1.3 with any patch level and suffix.
bool is_supported_version(std::string_view version) {
    if (!version.starts_with("1.")) return false;
    unsigned minor = 0;
    const char* end = version.data() + version.size();
    const auto [stop, error] = std::from_chars(version.data() + 2, end, minor);
    return error == std::errc() && minor <= 3 && stop != end && *stop == '.';
}

}  // namespace

void load(const Field& field, Spec& target) {
    field.read_required("ociVersion", target.oci_version);
    if (!is_supported_version(target.oci_version))
        field.member("ociVersion")
            .fail(fmt::format("version {:?} is not supported: 1.0 to 1.3 are", target.oci_version));
    field.read_required("root", target.root);
    field.read("process", target.process);
    field.read("hostname", target.hostname);
    field.read("domainname", target.domainname);
    field.read("mounts", target.mounts);
    field.read("hooks", target.hooks);
    field.read("annotations", target.annotations);
    field.read("linux", target.linux_);
}

namespace {

template <typename T>
T parse_as(const json::Value& value, std::string_view what) {
    if (!value.is_object()) Field(value, what).fail("expected an object");
    T target;
    load(Field(value, what), target);
    return target;
}

}  // namespace

Spec parse_spec(std::string_view text) { return parse_spec(json::parse(text)); }
Spec parse_spec(const json::Value& value) { return parse_as<Spec>(value, ""); }
Process parse_process(const json::Value& value) { return parse_as<Process>(value, "process"); }
Resources parse_resources(const json::Value& value) {
    return parse_as<Resources>(value, "resources");
}
Seccomp parse_seccomp(const json::Value& value) { return parse_as<Seccomp>(value, "seccomp"); }

json::Value to_json(const IdMapping& mapping) {
    return Members()
        .put_always("containerID", mapping.container_id)
        .put_always("hostID", mapping.host_id)
        .put_always("size", mapping.size)
        .take();
}

json::Value to_json(const ConsoleSize& size) {
    return Members()
        .put_always("height", static_cast<unsigned>(size.height))
        .put_always("width", static_cast<unsigned>(size.width))
        .take();
}

json::Value to_json(const User& user) {
    return Members()
        .put_always("uid", user.uid)
        .put_always("gid", user.gid)
        .put("umask", user.umask)
        .put("additionalGids", user.additional_gids)
        .put("username", user.username)
        .take();
}

json::Value to_json(const Capabilities& capabilities) {
    return Members()
        .put("bounding", capabilities.bounding)
        .put("effective", capabilities.effective)
        .put("inheritable", capabilities.inheritable)
        .put("permitted", capabilities.permitted)
        .put("ambient", capabilities.ambient)
        .take();
}

json::Value to_json(const Rlimit& limit) {
    return Members()
        .put_always("type", limit.type)
        .put_always("hard", limit.hard)
        .put_always("soft", limit.soft)
        .take();
}

json::Value to_json(const Scheduler& scheduler) {
    return Members()
        .put_always("policy", scheduler.policy)
        .put("nice", scheduler.nice)
        .put("priority", scheduler.priority)
        .put("flags", scheduler.flags)
        .put("runtime", scheduler.runtime)
        .put("deadline", scheduler.deadline)
        .put("period", scheduler.period)
        .take();
}

json::Value to_json(const IoPriority& priority) {
    return Members()
        .put_always("class", priority.priority_class)
        .put_always("priority", priority.priority)
        .take();
}

json::Value to_json(const ExecCpuAffinity& affinity) {
    return Members().put("initial", affinity.initial).put("final", affinity.final_).take();
}

json::Value to_json(const Process& process) {
    return Members()
        .put("terminal", process.terminal)
        .put("consoleSize", process.console_size)
        .put_always("user", process.user)
        .put("args", process.args)
        .put("env", process.env)
        .put_always("cwd", process.cwd)
        .put("capabilities", process.capabilities)
        .put("rlimits", process.rlimits)
        .put("noNewPrivileges", process.no_new_privileges)
        .put("apparmorProfile", process.apparmor_profile)
        .put("oomScoreAdj", process.oom_score_adj)
        .put("scheduler", process.scheduler)
        .put("selinuxLabel", process.selinux_label)
        .put("ioPriority", process.io_priority)
        .put("execCPUAffinity", process.exec_cpu_affinity)
        .take();
}

json::Value to_json(const Root& root) {
    return Members().put_always("path", root.path).put("readonly", root.readonly).take();
}

json::Value to_json(const Mount& mount) {
    return Members()
        .put_always("destination", mount.destination)
        .put("type", mount.type)
        .put("source", mount.source)
        .put("options", mount.options)
        .put("uidMappings", mount.uid_mappings)
        .put("gidMappings", mount.gid_mappings)
        .take();
}

json::Value to_json(const Hook& hook) {
    return Members()
        .put_always("path", hook.path)
        .put("args", hook.args)
        .put("env", hook.env)
        .put("timeout", hook.timeout_s)
        .take();
}

json::Value to_json(const Hooks& hooks) {
    return Members()
        .put("prestart", hooks.prestart)
        .put("createRuntime", hooks.create_runtime)
        .put("createContainer", hooks.create_container)
        .put("startContainer", hooks.start_container)
        .put("poststart", hooks.poststart)
        .put("poststop", hooks.poststop)
        .take();
}

json::Value to_json(const Namespace& entry) {
    return Members().put_always("type", to_string(entry.type)).put("path", entry.path).take();
}

json::Value to_json(const Device& device) {
    return Members()
        .put_always("path", device.path)
        .put_always("type", std::string(1, device.type))
        .put_always("major", device.major)
        .put_always("minor", device.minor)
        .put("fileMode", device.file_mode)
        .put("uid", device.uid)
        .put("gid", device.gid)
        .take();
}

json::Value to_json(const DeviceRule& rule) {
    return Members()
        .put_always("allow", rule.allow)
        .put("type", rule.type)
        .put("major", rule.major)
        .put("minor", rule.minor)
        .put("access", rule.access)
        .take();
}

json::Value to_json(const MemoryResources& memory) {
    return Members()
        .put("limit", memory.limit)
        .put("reservation", memory.reservation)
        .put("swap", memory.swap)
        .put("kernel", memory.kernel)
        .put("kernelTCP", memory.kernel_tcp)
        .put("swappiness", memory.swappiness)
        .put("disableOOMKiller", memory.disable_oom_killer)
        .put("useHierarchy", memory.use_hierarchy)
        .put("checkBeforeUpdate", memory.check_before_update)
        .take();
}

json::Value to_json(const CpuResources& cpu) {
    return Members()
        .put("shares", cpu.shares)
        .put("quota", cpu.quota)
        .put("burst", cpu.burst)
        .put("period", cpu.period)
        .put("realtimeRuntime", cpu.realtime_runtime)
        .put("realtimePeriod", cpu.realtime_period)
        .put("cpus", cpu.cpus)
        .put("mems", cpu.mems)
        .put("idle", cpu.idle)
        .take();
}

json::Value to_json(const WeightDevice& device) {
    return Members()
        .put_always("major", device.major)
        .put_always("minor", device.minor)
        .put("weight", device.weight)
        .put("leafWeight", device.leaf_weight)
        .take();
}

json::Value to_json(const ThrottleDevice& device) {
    return Members()
        .put_always("major", device.major)
        .put_always("minor", device.minor)
        .put_always("rate", device.rate)
        .take();
}

json::Value to_json(const BlockIoResources& block_io) {
    return Members()
        .put("weight", block_io.weight)
        .put("leafWeight", block_io.leaf_weight)
        .put("weightDevice", block_io.weight_device)
        .put("throttleReadBpsDevice", block_io.throttle_read_bps)
        .put("throttleWriteBpsDevice", block_io.throttle_write_bps)
        .put("throttleReadIOPSDevice", block_io.throttle_read_iops)
        .put("throttleWriteIOPSDevice", block_io.throttle_write_iops)
        .take();
}

json::Value to_json(const HugepageLimit& limit) {
    return Members()
        .put_always("pageSize", limit.page_size)
        .put_always("limit", limit.limit)
        .take();
}

json::Value to_json(const InterfacePriority& priority) {
    return Members()
        .put_always("name", priority.name)
        .put_always("priority", priority.priority)
        .take();
}

json::Value to_json(const NetworkResources& network) {
    return Members().put("classID", network.class_id).put("priorities", network.priorities).take();
}

json::Value to_json(const RdmaLimit& limit) {
    return Members()
        .put("hcaHandles", limit.hca_handles)
        .put("hcaObjects", limit.hca_objects)
        .take();
}

json::Value to_json(const Resources& resources) {
    json::Value pids;
    if (resources.pids_limit) pids["limit"] = *resources.pids_limit;
    return Members()
        .put("unified", resources.unified)
        .put("devices", resources.devices)
        .put("memory", to_json(resources.memory))
        .put("cpu", to_json(resources.cpu))
        .put("pids", pids)
        .put("blockIO", to_json(resources.block_io))
        .put("hugepageLimits", resources.hugepage_limits)
        .put("network", to_json(resources.network))
        .put("rdma", resources.rdma)
        .take();
}

json::Value to_json(const SeccompArgument& argument) {
    return Members()
        .put_always("index", argument.index)
        .put_always("value", argument.value)
        .put("valueTwo", argument.value_two)
        .put_always("op", argument.op)
        .take();
}

json::Value to_json(const SeccompRule& rule) {
    return Members()
        .put_always("names", rule.names)
        .put_always("action", rule.action)
        .put("errnoRet", rule.errno_return)
        .put("args", rule.arguments)
        .take();
}

json::Value to_json(const Seccomp& seccomp) {
    return Members()
        .put_always("defaultAction", seccomp.default_action)
        .put("defaultErrnoRet", seccomp.default_errno_return)
        .put("architectures", seccomp.architectures)
        .put("flags", seccomp.flags)
        .put("listenerPath", seccomp.listener_path)
        .put("listenerMetadata", seccomp.listener_metadata)
        .put("syscalls", seccomp.syscalls)
        .take();
}

json::Value to_json(const Personality& personality) {
    return Members()
        .put_always("domain", personality.domain)
        .put("flags", personality.flags)
        .take();
}

json::Value to_json(const TimeOffset& offset) {
    return Members().put("secs", offset.seconds).put("nanosecs", offset.nanoseconds).take();
}

json::Value to_json(const MemoryPolicy& policy) {
    return Members()
        .put("mode", policy.mode)
        .put("nodes", policy.nodes)
        .put("flags", policy.flags)
        .take();
}

json::Value to_json(const IntelRdt& rdt) {
    return Members()
        .put("closID", rdt.clos_id)
        .put("schemata", rdt.schemata)
        .put("l3CacheSchema", rdt.l3_cache_schema)
        .put("memBwSchema", rdt.mem_bw_schema)
        .put("enableMonitoring", rdt.enable_monitoring)
        .take();
}

json::Value to_json(const Linux& section) {
    json::Value net_devices;
    for (const auto& [outer, inner] : section.net_devices) net_devices[outer]["name"] = inner;
    return Members()
        .put("uidMappings", section.uid_mappings)
        .put("gidMappings", section.gid_mappings)
        .put("sysctl", section.sysctl)
        .put("resources", to_json(section.resources))
        .put("cgroupsPath", section.cgroups_path)
        .put("namespaces", section.namespaces)
        .put("devices", section.devices)
        .put("netDevices", net_devices)
        .put("seccomp", section.seccomp)
        .put("rootfsPropagation", section.rootfs_propagation)
        .put("maskedPaths", section.masked_paths)
        .put("readonlyPaths", section.readonly_paths)
        .put("mountLabel", section.mount_label)
        .put("intelRdt", section.intel_rdt)
        .put("memoryPolicy", section.memory_policy)
        .put("personality", section.personality)
        .put("timeOffsets", section.time_offsets)
        .take();
}

json::Value to_json(const Spec& spec) {
    return Members()
        .put_always("ociVersion", spec.oci_version)
        .put("process", spec.process)
        .put_always("root", spec.root)
        .put("hostname", spec.hostname)
        .put("domainname", spec.domainname)
        .put("mounts", spec.mounts)
        .put("hooks", to_json(spec.hooks))
        .put("annotations", spec.annotations)
        .put("linux", to_json(spec.linux_))
        .take();
}

}  // namespace hull::oci
