#include "engine/validate.hh"

#include "base/error.hh"
#include "engine/log_target.hh"
#include "engine/native_probe.hh"
#include "engine/networking.hh"
#include "engine/signals.hh"
#include "engine/text.hh"
#include "linux/capabilities.hh"
#include "linux/systemd.hh"

#include <algorithm>
#include <iterator>
#include <set>

namespace hull::engine {

namespace {

bool is_slice(const std::string& name) {
    try {
        static_cast<void>(linux_::expand_slice(name));
        return true;
    } catch (const Error&) {
        return false;
    }
}

using Warnings = std::vector<std::string>;

template <typename... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) {
    throw Error(ErrorKind::invalid_argument, text, std::forward<Args>(args)...);
}

template <typename... Args>
[[noreturn]] void unsupported(fmt::format_string<Args...> text, Args&&... args) {
    throw Error(ErrorKind::unsupported, text, std::forward<Args>(args)...);
}

std::string upper_case(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return result;
}

// ---------------------------------------------------------------- the config

void check_config(const api::ContainerConfig& config) {
    if (!config.working_dir.empty() && !config.working_dir.starts_with('/'))
        refuse("the working directory '{}' is invalid, it needs to be an absolute path",
               config.working_dir);
    for (const std::string& entry : config.env)
        if (entry.empty() || entry.starts_with('=') || entry.find('\0') != std::string::npos)
            refuse("invalid environment variable: {}", entry);
    if (!config.stop_signal.empty()) parse_signal(config.stop_signal);
    if (config.stop_timeout && *config.stop_timeout < -1)
        refuse("invalid stop timeout {}", *config.stop_timeout);
    if (config.hostname.size() > 64) refuse("invalid hostname: {}", config.hostname);
    for (const auto* words : {&config.cmd, &config.entrypoint})
        for (const std::string& word : *words)
            if (word.find('\0') != std::string::npos) refuse("invalid command: contains NUL");
}

}  // namespace

void check_healthcheck(const api::ContainerConfig& config) {
    if (!config.healthcheck) return;
    const api::HealthConfig& check = *config.healthcheck;
    constexpr std::int64_t shortest_ns = 1'000'000;
    const std::pair<const char*, std::int64_t> durations[] = {
        {"Interval", check.interval},
        {"Timeout", check.timeout},
        {"StartPeriod", check.start_period},
        {"StartInterval", check.start_interval},
    };
    for (const auto& [name, ns] : durations)
        if (ns != 0 && ns < shortest_ns) refuse("{} in Healthcheck cannot be less than 1ms", name);
    if (check.retries < 0) refuse("Retries in Healthcheck cannot be negative");
    static const std::set<std::string_view> actions = {"", "none", "restart", "stop", "kill"};
    if (!actions.contains(check.action))
        refuse("invalid Action in Healthcheck '{}': use none, restart, stop or kill", check.action);
    if (check.test.empty()) return;
    const std::string& kind = check.test.front();
    if (is_native_probe(kind)) {
        parse_native_probe(check.test);
        return;
    }
    if (kind != "NONE" && kind != "CMD" && kind != "CMD-SHELL")
        refuse("unknown health check type '{}': use CMD, CMD-SHELL, HTTP, TCP, FILE or NONE", kind);
    if (kind != "NONE" && check.test.size() < 2) refuse("the health check {} has no command", kind);
}

namespace {

// ---------------------------------------------------------------- limits

void check_memory(api::HostConfig& host, const Host& machine, Warnings& warnings) {
    constexpr std::int64_t minimum_bytes = 6 << 20;
    if (host.memory < 0) refuse("Minimum memory limit allowed is 6MB");
    if (host.memory > 0 && host.memory < minimum_bytes)
        refuse("Minimum memory limit allowed is 6MB");
    if (host.memory > 0 && host.memory_swap > 0 && host.memory_swap < host.memory)
        refuse("Minimum memoryswap limit should be larger than memory limit, see usage");
    if (host.memory == 0 && host.memory_swap > 0)
        refuse("You should always set the Memory limit when using Memoryswap limit, see usage");
    if (host.memory_swappiness && *host.memory_swappiness != -1 &&
        (*host.memory_swappiness < 0 || *host.memory_swappiness > 100))
        refuse("Invalid value: {}, valid memory swappiness range is 0-100",
               *host.memory_swappiness);
    if (host.memory_reservation != 0 && host.memory_reservation < minimum_bytes)
        refuse("Minimum memory reservation allowed is 6MB");
    if (host.memory > 0 && host.memory_reservation > 0 && host.memory < host.memory_reservation)
        refuse("Minimum memory limit can not be less than memory reservation limit, see usage");
    if (host.memory > 0 && !machine.has_memory_cgroup) {
        warnings.push_back(
            "Your kernel does not support memory limit capabilities or the cgroup is not mounted. "
            "Limitation discarded.");
        host.memory = 0;
        host.memory_swap = -1;
    }
    if (host.memory > 0 && host.memory_swap != -1 && !machine.has_swap_limit) {
        warnings.push_back(
            "Your kernel does not support swap limit capabilities or the cgroup is not mounted. "
            "Memory limited without swap.");
        host.memory_swap = -1;
    }
    if (host.memory > 0 && host.memory_swap == 0) host.memory_swap = host.memory * 2;
    if (host.oom_kill_disable.value_or(false) && machine.is_cgroup_v2()) {
        warnings.push_back(
            "Your kernel does not support OomKillDisable. OomKillDisable discarded.");
        host.oom_kill_disable.reset();
    }
    if (host.memory_swappiness && *host.memory_swappiness != -1 && machine.is_cgroup_v2()) {
        warnings.push_back(
            "Your kernel does not support memory swappiness capabilities or the cgroup is not "
            "mounted. Memory swappiness discarded.");
        host.memory_swappiness.reset();
    }
}

void check_number_list(const std::string& wanted, const std::vector<int>& available,
                       std::string_view what) {
    if (wanted.empty()) return;
    std::vector<int> numbers;
    try {
        numbers = parse_number_list(wanted);
    } catch (const Error&) {
        refuse("Invalid value {} for {}", wanted, what);
    }
    for (int number : numbers)
        if (std::find(available.begin(), available.end(), number) == available.end()) {
            std::string list;
            for (int one : available) list += (list.empty() ? "" : ",") + std::to_string(one);
            refuse("Requested {} are not available - requested {}, available: {}",
                   what == "cpuset cpus" ? "CPUs" : "memory nodes", wanted, list);
        }
}

void check_cpu(const api::HostConfig& host, const Host& machine) {
    if (host.nano_cpus != 0) {
        if (host.cpu_period != 0)
            refuse("Conflicting options: Nano CPUs and CPU Period cannot both be set.");
        if (host.cpu_quota != 0)
            refuse("Conflicting options: Nano CPUs and CPU Quota cannot both be set.");
        if (host.nano_cpus < 0 || host.nano_cpus > machine.cpus * 1'000'000'000LL)
            refuse("Range of CPUs is from 0.01 to {}.00, as there are only {} CPUs available",
                   machine.cpus, machine.cpus);
    }
    if (host.cpu_shares < 0)
        refuse("invalid CPU shares ({}): value must be a positive integer", host.cpu_shares);
    if (host.cpu_period != 0 && (host.cpu_period < 1000 || host.cpu_period > 1'000'000))
        refuse(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. "
            "1000000)");
    if (host.cpu_quota > 0 && host.cpu_quota < 1000)
        refuse("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    check_number_list(host.cpuset_cpus, machine.cpu_numbers, "cpuset cpus");
    check_number_list(host.cpuset_mems, machine.memory_nodes, "cpuset mems");
}

void check_block_io(const api::HostConfig& host) {
    if (host.blkio_weight != 0 && (host.blkio_weight < 10 || host.blkio_weight > 1000))
        refuse("Range of blkio weight is from 10 to 1000");
    for (const api::WeightDevice& device : host.blkio_weight_device)
        if (device.weight != 0 && (device.weight < 10 || device.weight > 1000))
            refuse("Range of blkio weight is from 10 to 1000");
    if (host.io_maximum_bandwidth != 0 || host.io_maximum_iops != 0)
        refuse("invalid option: IOMaximumBandwidth and IOMaximumIOps are for Windows only");
}

void check_ulimits(const api::HostConfig& host) {
    static const std::set<std::string_view> names = {
        "core",   "cpu",   "data", "fsize",  "locks",  "memlock",    "msgqueue", "nice",
        "nofile", "nproc", "rss",  "rtprio", "rttime", "sigpending", "stack",    "as"};
    for (const api::Ulimit& limit : host.ulimits) {
        if (!names.contains(limit.name)) refuse("invalid ulimit type: {}", limit.name);
        if (limit.hard != -1 && (limit.soft == -1 || limit.soft > limit.hard))
            refuse("ulimit soft limit must be less than or equal to hard limit: {} > {}",
                   limit.soft, limit.hard);
    }
}

void check_sysctls(const api::HostConfig& host) {
    static const std::set<std::string_view> ipc = {
        "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
        "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"};
    for (const auto& [name, value] : host.sysctls) {
        const bool is_ipc = ipc.contains(name) || name.starts_with("fs.mqueue.");
        const bool is_net = name.starts_with("net.");
        if (is_ipc && host.ipc_mode == "host")
            refuse("sysctl \"{}\" not allowed in host ipc namespace", name);
        if (is_net && host.network_mode == "host")
            refuse("sysctl \"{}\" not allowed in host network namespace", name);
        if (!is_ipc && !is_net && name != "kernel.domainname")
            refuse("sysctl \"{}\" is not in a separate kernel namespace", name);
    }
}

// ---------------------------------------------------------------- modes

bool is_container_mode(std::string_view mode) {
    return mode.starts_with("container:") && mode.size() > 10;
}

/// Networks that exclude one another.
void check_endpoints(const api::CreateRequest& request) {
    const std::string& mode = request.host_config.network_mode;
    const bool has_own = has_networks(request.host_config);
    for (const auto& [name, endpoint] : request.networking_config.endpoints_config) {
        if (name == mode || (mode == "bridge" && name == "default")) {
            if (!has_own && (endpoint.ipam_config || !endpoint.mac_address.empty() ||
                             !endpoint.aliases.empty() || !endpoint.links.empty()))
                refuse("conflicting options: endpoint settings and the network mode {}", mode);
        } else if (!has_own) {
            refuse(
                "conflicting options: cannot attach both user-defined and non-user-defined "
                "network-modes");
        }
    }
    if (!has_own && !request.config.mac_address.empty())
        refuse("conflicting options: mac-address and the network mode");
}

void check_network(api::CreateRequest& request, Warnings& warnings) {
    api::HostConfig& host = request.host_config;
    if (request.config.network_disabled) host.network_mode = "none";
    if (host.network_mode.empty()) host.network_mode = "default";
    const std::string& mode = host.network_mode;
    if (mode == "container:") refuse("invalid container format container:<name|id>");
    if (is_container_mode(mode)) {
        if (!request.config.hostname.empty())
            refuse("conflicting options: hostname and the network mode");
        if (!host.dns.empty()) refuse("conflicting options: dns and the network mode");
        if (!host.extra_hosts.empty())
            refuse("conflicting options: custom host-to-IP mapping and the network mode");
        if (!host.port_bindings.empty() || host.publish_all_ports)
            refuse("conflicting options: port publishing and the container type network mode");
        if (!host.links.empty())
            refuse(
                "conflicting options: container type network can't be used with links. This "
                "would result in undefined behavior");
    }
    if (mode == "host" && (!host.port_bindings.empty() || host.publish_all_ports))
        warnings.push_back("Published ports are discarded when using host network mode");
    if (mode == "host" && !host.links.empty())
        refuse(
            "conflicting options: host type networking can't be used with links. This would "
            "result in undefined behavior");
    check_endpoints(request);
    for (const std::string& port : request.config.exposed_ports) parse_container_port(port);
    for (const std::string& extra : host.extra_hosts) {
        std::size_t colon = extra.find(':');
        if (colon == std::string::npos || colon == 0 || colon + 1 == extra.size())
            refuse("bad format for add-host: \"{}\"", extra);
    }
}

void check_namespaces(api::CreateRequest& request, const Host& machine) {
    api::HostConfig& host = request.host_config;
    static const std::set<std::string_view> ipc_modes = {"", "none", "private", "shareable",
                                                         "host"};
    if (!ipc_modes.contains(host.ipc_mode) && !is_container_mode(host.ipc_mode))
        refuse("invalid IPC mode: {}", host.ipc_mode);
    if (!host.pid_mode.empty() && host.pid_mode != "host" && !is_container_mode(host.pid_mode))
        refuse("invalid PID mode: {}", host.pid_mode);
    if (!host.uts_mode.empty() && host.uts_mode != "host")
        refuse("invalid UTS mode: {}", host.uts_mode);
    if (host.uts_mode == "host" && !request.config.hostname.empty())
        refuse("conflicting options: hostname and the UTS mode");
    if (!host.userns_mode.empty() && host.userns_mode != "host")
        refuse("invalid userns mode: {}", host.userns_mode);
    if (!host.cgroupns_mode.empty() && host.cgroupns_mode != "host" &&
        host.cgroupns_mode != "private")
        refuse("invalid cgroup namespace mode: {}", host.cgroupns_mode);
    if (host.cgroupns_mode.empty())
        host.cgroupns_mode = machine.is_cgroup_v2() ? "private" : "host";
    if (!host.cgroup.empty()) unsupported("HostConfig.Cgroup is not supported");
    if (!host.isolation.empty() && host.isolation != "default")
        refuse("invalid isolation '{}' on linux", host.isolation);
    static const std::set<std::string_view> runtimes = {"", "hull", "runc",
                                                        "io.containerd.runc.v2"};
    if (!runtimes.contains(host.runtime))
        refuse("unknown or invalid runtime name: {}", host.runtime);
    if (machine.systemd_cgroups) {
        if (!host.cgroup_parent.empty() && !is_slice(host.cgroup_parent))
            refuse(
                "cgroup-parent for systemd cgroup should be a valid slice named as "
                "\"xxx.slice\", not '{}'",
                host.cgroup_parent);
    } else if (host.cgroup_parent.find("..") != std::string::npos ||
               host.cgroup_parent.ends_with(".slice"))
        refuse("cgroup-parent for the cgroupfs driver should be a path, not '{}'",
               host.cgroup_parent);
}

void check_log_config(const api::LogConfig& log) {
    static const std::set<std::string_view> drivers = {"", "local", "json-file", "none"};
    static const std::set<std::string_view> never = {"awslogs", "etwlogs", "gcplogs", "splunk"};
    if (is_remote_log(log.type)) return check_remote_log(log);
    if (never.contains(log.type))
        unsupported(
            "log driver {} is not supported: use local, json-file, syslog, journald, fluentd, gelf "
            "or none",
            log.type);
    if (!drivers.contains(log.type))
        refuse("logger: no log driver named '{}' is registered", log.type);
    for (const auto& [name, value] : log.config) {
        if (log.type == "none") refuse("unknown log opt '{}' for none log driver", name);
        if (name == "max-size") {
            if (value != "-1" && find_size(value).value_or(0) <= 0)
                refuse("invalid value for max-size: {}", value);
        } else if (name == "max-file") {
            if (find_integer(value).value_or(0) < 1) refuse("max-file cannot be less than 1");
        } else if (name == "mode") {
            check_log_mode(value);  // files never keep a container waiting: both are the same
        } else if (name == "max-buffer-size") {
            if (find_size(value).value_or(0) <= 0)
                refuse("invalid value for max-buffer-size: {}", value);
        } else if (name == "compress") {
            if (value != "false") unsupported("compressed logs are not supported yet");
        } else if (name == "tag") {
            check_log_tag(value);
        } else if (name == "labels" || name == "env" || name == "labels-regex" ||
                   name == "env-regex") {
            continue;  // any text chooses something, or nothing
        } else {
            refuse("unknown log opt '{}' for {} log driver", name,
                   log.type.empty() ? "local" : log.type);
        }
    }
    if (log.config.contains("max-file") && !log.config.contains("max-size") &&
        log.type == "json-file" && log.config.at("max-file") != "1")
        refuse("max-file cannot be specified without max-size");
}

void check_devices(const api::HostConfig& host) {
    for (const api::DeviceMapping& device : host.devices) {
        if (device.path_on_host.empty()) refuse("bad format for path: {}", device.path_on_host);
        if (device.cgroup_permissions.find_first_not_of("rwm") != std::string::npos)
            refuse("invalid device mode: {}", device.cgroup_permissions);
    }
    if (!host.device_requests.empty())
        unsupported(
            "could not select device driver \"{}\" with capabilities: no device driver is "
            "supported yet",
            host.device_requests.front().driver);
    for (const std::string& rule : host.device_cgroup_rules) {
        std::vector<std::string> words = split(rule, ' ');
        const bool fits = words.size() == 3 &&
                          (words[0] == "a" || words[0] == "b" || words[0] == "c") &&
                          !words[2].empty() && words[2].size() <= 3 &&
                          words[2].find_first_not_of("rwm") == std::string::npos;
        std::vector<std::string> numbers = fits ? split(words[1], ':') : std::vector<std::string>();
        auto is_number = [](const std::string& text) {
            return text == "*" || (!text.empty() && find_integer(text).value_or(-1) >= 0);
        };
        if (numbers.size() != 2 || !is_number(numbers[0]) || !is_number(numbers[1]))
            refuse("invalid device cgroup rule format: '{}'", rule);
    }
}

void check_rest(const api::HostConfig& host, Warnings&) {
    if (host.oom_score_adj < -1000 || host.oom_score_adj > 1000)
        refuse("Invalid value {}, range for oom score adj is [-1000, 1000]", host.oom_score_adj);
    if (host.shm_size < 0) refuse("SHM size can not be less than 0");
    if (!host.storage_opt.empty())
        unsupported("--storage-opt is not supported: there are no disk quotas for containers yet");
}

bool find_bool(std::string_view value, const std::string& option) {
    if (value == "true" || value == "1") return true;
    if (value == "false" || value == "0") return false;
    refuse("invalid --security-opt 2: \"{}\"", option);
}

std::vector<std::string> normalized_capabilities(const api::Strings& names, bool& all,
                                                 std::string_view field) {
    std::vector<std::string> result;
    for (const std::string& name : names) {
        if (upper_case(name) == "ALL" || upper_case(name) == "CAP_ALL") {
            all = true;
            continue;
        }
        auto number = linux_::find_capability(upper_case(name));
        if (!number)
            refuse("invalid {}: unknown capability: \"{}\"", field,
                   upper_case(name).starts_with("CAP_") ? upper_case(name)
                                                        : "CAP_" + upper_case(name));
        if (*number <= linux_::last_capability())
            result.push_back(linux_::capability_name(*number));
    }
    return result;
}

}  // namespace

SecurityOptions parse_security_options(const api::HostConfig& host) {
    SecurityOptions result;
    for (const std::string& option : host.security_opt) {
        if (option == "no-new-privileges") {
            result.no_new_privileges = true;
            continue;
        }
        // Older clients wrote "name:value".
        std::size_t separator = option.find('=');
        if (separator == std::string::npos) separator = option.find(':');
        if (separator == std::string::npos) refuse("invalid --security-opt 1: \"{}\"", option);
        const std::string name = option.substr(0, separator);
        const std::string value = option.substr(separator + 1);
        if (name == "no-new-privileges")
            result.no_new_privileges = find_bool(value, option);
        else if (name == "seccomp")
            result.seccomp = value;
        else if (name == "apparmor")
            result.apparmor = value;
        else if (name == "label")
            continue;  // means something on SELinux hosts only, which Docker checks the same way
        else if (name == "writable-cgroups")
            unsupported("security option writable-cgroups is not supported yet");
        else
            refuse("invalid --security-opt 2: \"{}\"", option);
    }
    return result;
}

std::vector<std::string> effective_capabilities(const api::HostConfig& host) {
    if (host.privileged) return linux_::capability_names(linux_::grantable_capabilities());
    bool add_all = false, drop_all = false;
    const auto add = normalized_capabilities(host.cap_add, add_all, "CapAdd");
    const auto drop = normalized_capabilities(host.cap_drop, drop_all, "CapDrop");
    auto contains = [](const std::vector<std::string>& list, std::string_view name) {
        return std::find(list.begin(), list.end(), name) != list.end();
    };
    std::vector<std::string> result;
    if (add_all) {
        for (std::string& name : linux_::capability_names(linux_::grantable_capabilities()))
            if (!contains(drop, name)) result.push_back(std::move(name));
        return result;
    }
    if (!drop_all)
        for (std::string_view name : linux_::docker_default_capabilities)
            if (!contains(drop, name)) result.emplace_back(name);
    for (const std::string& name : add)
        if (!contains(result, name) && !(contains(drop, name) && !drop_all)) result.push_back(name);
    return result;
}

void validate_limits(api::HostConfig& host, const Host& machine, Warnings& warnings) {
    check_memory(host, machine, warnings);
    check_cpu(host, machine);
    check_block_io(host);
    if (host.pids_limit && *host.pids_limit > 0 && !machine.has_pids_cgroup) {
        warnings.push_back(
            "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. "
            "PIDs limit discarded.");
        host.pids_limit.reset();
    }
}

void validate_restart_policy(api::HostConfig& host) {
    api::RestartPolicy& policy = host.restart_policy;
    static const std::set<std::string_view> names = {"", "no", "always", "unless-stopped",
                                                     "on-failure"};
    if (!names.contains(policy.name)) refuse("invalid restart policy '{}'", policy.name);
    if (policy.maximum_retry_count != 0 && policy.name != "on-failure")
        refuse("maximum retry count cannot be used with restart policy '{}'", policy.name);
    if (policy.maximum_retry_count < 0) refuse("maximum retry count cannot be negative");
    if (policy.name.empty()) policy.name = "no";
    if (host.auto_remove && policy.name != "no")
        refuse("can't create 'AutoRemove' container with restart policy");
}

std::vector<std::string> validate(api::CreateRequest& request, const Host& machine) {
    Warnings warnings;
    api::HostConfig& host = request.host_config;
    check_config(request.config);
    check_healthcheck(request.config);
    validate_limits(host, machine, warnings);
    check_ulimits(host);
    check_namespaces(request, machine);
    check_network(request, warnings);
    check_sysctls(host);
    validate_restart_policy(host);
    check_log_config(host.log_config);
    check_devices(host);
    check_rest(host, warnings);
    effective_capabilities(host);
    SecurityOptions security = parse_security_options(host);
    if (!security.apparmor.empty() && security.apparmor != "unconfined" && !machine.has_apparmor)
        unsupported("apparmor={}: this host has no AppArmor", security.apparmor);
    return warnings;
}

}  // namespace hull::engine
