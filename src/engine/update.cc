#include "base/error.hh"
#include "base/log.hh"
#include "engine/implementation.hh"
#include "engine/networking.hh"
#include "engine/validate.hh"
#include "linux/cgroup.hh"
#include "linux/systemd.hh"
#include "runtime/convert.hh"

namespace hull::engine {

namespace {

template <typename... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) {
    throw Error(ErrorKind::conflict, text, std::forward<Args>(args)...);
}

/// Docker's rules for a limit that excludes one the container has already.
void check_conflicts(const api::HostConfig& host, const api::HostConfig& changes) {
    if (changes.nano_cpus > 0 && host.cpu_period > 0)
        refuse(
            "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set");
    if (changes.nano_cpus > 0 && host.cpu_quota > 0)
        refuse(
            "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set");
    if (changes.cpu_period > 0 && host.nano_cpus > 0)
        refuse(
            "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set");
    if (changes.cpu_quota > 0 && host.nano_cpus > 0)
        refuse("Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set");
    // -1 is no limit of swap, which every limit of memory fits below.
    if (changes.memory > host.memory_swap && host.memory_swap != -1 && changes.memory_swap == 0)
        refuse(
            "Memory limit should be smaller than already set memoryswap limit, update the "
            "memoryswap at the same time");
    if (host.auto_remove && !changes.restart_policy.name.empty() &&
        changes.restart_policy.name != "no")
        refuse("Restart policy cannot be updated because AutoRemove is enabled for the container");
}

/// What the request may hold and `update` does not change: it is refused, not forgotten.
void check_members(const api::HostConfig& changes) {
    const std::pair<const char*, bool> fixed[] = {
        {"CgroupParent", !changes.cgroup_parent.empty()},
        {"BlkioWeightDevice", !changes.blkio_weight_device.empty()},
        {"BlkioDeviceReadBps", !changes.blkio_device_read_bps.empty()},
        {"BlkioDeviceWriteBps", !changes.blkio_device_write_bps.empty()},
        {"BlkioDeviceReadIOps", !changes.blkio_device_read_iops.empty()},
        {"BlkioDeviceWriteIOps", !changes.blkio_device_write_iops.empty()},
        {"Devices", !changes.devices.empty()},
        {"DeviceCgroupRules", !changes.device_cgroup_rules.empty()},
        {"DeviceRequests", !changes.device_requests.empty()},
        {"Ulimits", !changes.ulimits.empty()},
        {"MemorySwappiness", changes.memory_swappiness.has_value()},
        {"OomKillDisable", changes.oom_kill_disable.value_or(false)},
    };
    for (const auto& [name, is_given] : fixed)
        if (is_given)
            throw Error(ErrorKind::invalid_argument,
                        "{} cannot be changed by update: make the container again with it", name);
}

/// What is wrong whatever the container has is told first, as Docker does.
void check_alone(api::HostConfig changes, const Host& machine) {
    if (changes.memory == 0) changes.memory_swap = 0;  // it goes with the limit there is
    std::vector<std::string> warnings;                 // of the whole, later
    validate_limits(changes, machine, warnings);
}

template <typename T>
void take(T& value, const T& change) {
    if (change != T()) value = change;
}

void apply_changes(api::HostConfig& host, const api::HostConfig& changes) {
    take(host.blkio_weight, changes.blkio_weight);
    take(host.cpu_shares, changes.cpu_shares);
    take(host.nano_cpus, changes.nano_cpus);
    take(host.cpu_period, changes.cpu_period);
    take(host.cpu_quota, changes.cpu_quota);
    take(host.cpu_realtime_period, changes.cpu_realtime_period);
    take(host.cpu_realtime_runtime, changes.cpu_realtime_runtime);
    take(host.cpuset_cpus, changes.cpuset_cpus);
    take(host.cpuset_mems, changes.cpuset_mems);
    take(host.memory, changes.memory);
    take(host.memory_swap, changes.memory_swap);
    take(host.memory_reservation, changes.memory_reservation);
    if (changes.pids_limit)
        host.pids_limit = std::max<std::int64_t>(*changes.pids_limit, 0);  // 0: no limit any more
    if (!changes.restart_policy.name.empty()) host.restart_policy = changes.restart_policy;
}

/// What inspect shows of the wish.
void apply_ports(Definition& definition, const PortChanges& ports) {
    api::PortMap& map = definition.host.port_bindings;
    const auto is_any = [](const std::string& wanted, const std::string& value) {
        return wanted.empty() || wanted == value;
    };
    for (const auto& [port, rules] : ports.removed) {
        const auto found = map.find(port);
        if (found == map.end()) continue;
        for (const api::PortBinding& rule : rules)
            std::erase_if(found->second, [&](const api::PortBinding& binding) {
                return is_any(rule.host_ip, binding.host_ip) &&
                       is_any(rule.host_port, binding.host_port);
            });
        if (found->second.empty()) map.erase(found);
    }
    for (const auto& [port, bindings] : ports.added) {
        definition.config.exposed_ports.insert(port);
        map[port].insert(map[port].end(), bindings.begin(), bindings.end());
    }
}

}  // namespace

/// Gives the running container the limits of `definition`.
void Engine::Implementation::set_limits(const Definition& definition) {
    oci::Resources resources = make_resources(definition.host);
    resources.devices.clear();  // which are decided at the start
    if (definition.host.pids_limit.value_or(-1) == 0) resources.pids_limit = -1;
    const linux_::Resources limits = runtime::to_resources(resources);
    for (const std::string& warning : running_cgroup(definition).set(limits))
        log::warning("container {}: {}", definition.id, warning);
    if (const auto scope = linux_::find_systemd_path(cgroup_path(definition, options_)))
        linux_::set_scope_limits(scope->unit, limits);
}

/// Publishes and withdraws at once when the container runs.
void Engine::Implementation::change_ports(const Definition& definition, const PortChanges& ports) {
    if (ports.empty()) return;
    if (!has_networks(definition.host))
        refuse("container {} has no network of its own to publish ports of", definition.id);
    std::vector<network::PortRequest> added, removed;
    const auto collect = [](const api::PortMap& map, std::vector<network::PortRequest>& requests) {
        for (const auto& [port, bindings] : map)
            for (network::PortRequest& request : parse_port_bindings(port, bindings))
                requests.push_back(std::move(request));
    };
    collect(ports.added, added);
    collect(ports.removed, removed);
    networks_.change_ports(definition.id, added, removed);
}

std::vector<std::string> Engine::Implementation::update(const std::string& name,
                                                        const api::HostConfig& changes,
                                                        const PortChanges& ports) {
    ContainerPointer container = table_.get(name);
    std::lock_guard operation(container->operation);
    const RecordPointer before = container->snapshot();
    {
        std::lock_guard lock(container->mutex);
        if (container->removed || container->removing || before->state.phase == Phase::dead)
            refuse(
                "Cannot update container {}: Container is marked for removal and cannot be "
                "\"update\".",
                container->id);
    }
    check_members(changes);
    check_alone(changes, host_);
    auto definition = std::make_shared<Definition>(*before->definition);
    std::vector<std::string> warnings;
    with_context([&] { check_conflicts(before->definition->host, changes); },
                 "Cannot update container {}", container->id);
    apply_changes(definition->host, changes);
    validate_limits(definition->host, host_, warnings);
    validate_restart_policy(definition->host);
    apply_ports(*definition, ports);

    const bool is_live = before->state.is_running();
    try {
        if (is_live) set_limits(*definition);
        change_ports(*definition, ports);
        write_definition(*container, definition);
    } catch (const Error& error) {
        if (is_live) {
            try {
                set_limits(*before->definition);
            } catch (const Error& again) {
                log::warning("container {}: going back to its old limits: {}", container->id,
                             again.message());
            }
        }
        throw Error(error.kind(), "Cannot update container {}: {}", container->id, error.message());
    }
    publish(*container->snapshot(), "update");
    return warnings;
}

}  // namespace hull::engine
