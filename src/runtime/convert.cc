#include "runtime/convert.hh"

#include "base/error.hh"

#include <sched.h>

namespace hull::runtime {
namespace {

linux_::DeviceRule to_rule(const oci::DeviceRule& rule) {
    return {.allow = rule.allow,
            .type = rule.type.empty() ? 'a' : rule.type[0],
            .major = rule.major,
            .minor = rule.minor,
            .access = rule.access.empty() ? "rwm" : rule.access};
}

/// What every container may use, whatever its rules say: mknod of anything, and the nodes that
/// config-linux.md calls default devices.
std::vector<linux_::DeviceRule> default_rules() {
    std::vector<linux_::DeviceRule> rules = {
        {.allow = true, .type = 'c', .major = {}, .minor = {}, .access = "m"},
        {.allow = true, .type = 'b', .major = {}, .minor = {}, .access = "m"},
    };
    constexpr std::pair<int, int> nodes[] = {{1, 3}, {1, 5}, {1, 7}, {1, 8},
                                             {1, 9}, {5, 0}, {5, 1}, {5, 2}};
    for (auto [major, minor] : nodes)
        rules.push_back(
            {.allow = true, .type = 'c', .major = major, .minor = minor, .access = "rwm"});
    rules.push_back({.allow = true, .type = 'c', .major = 136, .minor = {}, .access = "rwm"});
    return rules;
}

std::vector<linux_::ThrottleDevice> to_throttles(const std::vector<oci::ThrottleDevice>& devices) {
    std::vector<linux_::ThrottleDevice> result;
    for (const oci::ThrottleDevice& device : devices)
        result.push_back({device.major, device.minor, device.rate});
    return result;
}

linux_::BlockIoLimits to_block_io(const oci::BlockIoResources& io) {
    linux_::BlockIoLimits result;
    result.weight = io.weight;
    result.leaf_weight = io.leaf_weight;
    for (const oci::WeightDevice& device : io.weight_device)
        result.weight_device.push_back(
            {device.major, device.minor, device.weight, device.leaf_weight});
    result.throttle_read_bps = to_throttles(io.throttle_read_bps);
    result.throttle_write_bps = to_throttles(io.throttle_write_bps);
    result.throttle_read_iops = to_throttles(io.throttle_read_iops);
    result.throttle_write_iops = to_throttles(io.throttle_write_iops);
    return result;
}

std::vector<linux_::IdRange> to_ranges(const std::vector<oci::IdMapping>& mappings) {
    std::vector<linux_::IdRange> result;
    for (const oci::IdMapping& mapping : mappings)
        result.push_back({mapping.container_id, mapping.host_id, mapping.size});
    return result;
}

}  // namespace

linux_::Resources to_resources(const oci::Resources& resources) {
    linux_::Resources result;
    for (const oci::DeviceRule& rule : resources.devices) result.devices.push_back(to_rule(rule));
    if (!result.devices.empty())
        for (linux_::DeviceRule& rule : default_rules()) result.devices.push_back(std::move(rule));
    const oci::MemoryResources& memory = resources.memory;
    result.memory = {.limit = memory.limit,
                     .reservation = memory.reservation,
                     .swap = memory.swap,
                     .kernel = memory.kernel,
                     .kernel_tcp = memory.kernel_tcp,
                     .swappiness = memory.swappiness,
                     .disable_oom_killer = memory.disable_oom_killer,
                     .check_before_update = memory.check_before_update};
    const oci::CpuResources& cpu = resources.cpu;
    result.cpu = {.shares = cpu.shares,
                  .period = cpu.period,
                  .burst = cpu.burst,
                  .realtime_period = cpu.realtime_period,
                  .quota = cpu.quota,
                  .realtime_runtime = cpu.realtime_runtime,
                  .idle = cpu.idle,
                  .cpus = cpu.cpus,
                  .mems = cpu.mems};
    result.pids_limit = resources.pids_limit;
    result.block_io = to_block_io(resources.block_io);
    for (const oci::HugepageLimit& limit : resources.hugepage_limits)
        result.hugepage_limits.push_back({limit.page_size, limit.limit});
    result.network_class_id = resources.network.class_id;
    for (const oci::InterfacePriority& priority : resources.network.priorities)
        result.network_priorities.emplace_back(priority.name, priority.priority);
    for (const auto& [device, limit] : resources.rdma)
        result.rdma[device] = {limit.hca_handles, limit.hca_objects};
    result.unified = resources.unified;
    return result;
}

linux_::SeccompProfile to_profile(const oci::Seccomp& seccomp) {
    linux_::SeccompProfile profile;
    profile.default_action = seccomp.default_action;
    profile.default_errno_return = seccomp.default_errno_return;
    profile.architectures = seccomp.architectures;
    profile.flags = seccomp.flags;
    for (const oci::SeccompRule& rule : seccomp.syscalls) {
        linux_::SeccompRule converted{rule.names, rule.action, rule.errno_return, {}};
        for (const oci::SeccompArgument& argument : rule.arguments)
            converted.arguments.push_back(
                {argument.index, argument.value, argument.value_two, argument.op});
        profile.syscalls.push_back(std::move(converted));
    }
    return profile;
}

linux_::IdMaps to_id_maps(const std::vector<oci::IdMapping>& uids,
                          const std::vector<oci::IdMapping>& gids) {
    return {to_ranges(uids), to_ranges(gids)};
}

ConvertedCapabilities to_capabilities(const std::optional<oci::Capabilities>& capabilities) {
    ConvertedCapabilities result;
    if (!capabilities) return result;
    auto parse = [&](const std::vector<std::string>& names) {
        linux_::ParsedCapabilities parsed = linux_::parse_capabilities(names);
        for (std::string& name : parsed.unknown) result.unknown.push_back(std::move(name));
        return parsed.set;
    };
    result.sets.bounding = parse(capabilities->bounding);
    result.sets.effective = parse(capabilities->effective);
    result.sets.permitted = parse(capabilities->permitted);
    result.sets.inheritable = parse(capabilities->inheritable);
    result.sets.ambient = parse(capabilities->ambient);
    return result;
}

int to_clone_flag(oci::NamespaceType type) {
    switch (type) {
        case oci::NamespaceType::pid: return CLONE_NEWPID;
        case oci::NamespaceType::network: return CLONE_NEWNET;
        case oci::NamespaceType::mount: return CLONE_NEWNS;
        case oci::NamespaceType::ipc: return CLONE_NEWIPC;
        case oci::NamespaceType::uts: return CLONE_NEWUTS;
        case oci::NamespaceType::user: return CLONE_NEWUSER;
        case oci::NamespaceType::cgroup: return CLONE_NEWCGROUP;
        case oci::NamespaceType::time: return 0x80;  // CLONE_NEWTIME, inside CSIGNAL
    }
    throw Error(ErrorKind::invalid_argument, "unknown namespace type");
}

}  // namespace hull::runtime
