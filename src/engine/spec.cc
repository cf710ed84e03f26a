#include "engine/spec.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "engine/mounts.hh"
#include "engine/text.hh"
#include "engine/validate.hh"
#include "linux/apparmor.hh"
#include "linux/capabilities.hh"
#include "linux/file_limit.hh"

#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <limits>

namespace hull::engine {

namespace {

constexpr std::string_view default_path =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// ---------------------------------------------------------------- paths

std::vector<Path> default_masked_paths(const Host& host) {
    std::vector<Path> paths = {
        "/proc/acpi",
        "/proc/asound",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/sys/devices/virtual/powercap",
        "/sys/firmware",
    };
    for (int cpu : host.cpu_numbers) {
        Path path = fmt::format("/sys/devices/system/cpu/cpu{}/thermal_throttle", cpu);
        if (sys::find_stat(path)) paths.push_back(std::move(path));
    }
    return paths;
}

const std::vector<Path>& cached_masked_paths(const Host& host) {
    static const std::vector<Path> paths = default_masked_paths(host);
    return paths;
}

std::vector<Path> default_readonly_paths() {
    return {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
}

void set_hidden_paths(oci::Spec& spec, const SpecInputs& inputs) {
    const api::HostConfig& host = inputs.definition.host;
    if (host.privileged) return;
    spec.linux_.masked_paths = host.masked_paths.is_null() ? cached_masked_paths(inputs.host)
                                                           : std::vector<Path>(host.masked_paths);
    spec.linux_.readonly_paths = host.readonly_paths.is_null()
                                     ? default_readonly_paths()
                                     : std::vector<Path>(host.readonly_paths);
}

// ---------------------------------------------------------------- namespaces

std::string namespace_path(pid_t pid, std::string_view name) {
    return fmt::format("/proc/{}/ns/{}", pid, name);
}

void add_namespace(oci::Spec& spec, const SpecInputs& inputs, oci::NamespaceType type,
                   std::string_view file, const std::string& mode) {
    if (mode == "host") return;
    std::string donor = container_of_mode(mode);
    spec.linux_.namespaces.push_back(
        {type, donor.empty() ? "" : namespace_path(inputs.get_pid(donor), file)});
}

void set_namespaces(oci::Spec& spec, const SpecInputs& inputs) {
    const api::HostConfig& host = inputs.definition.host;
    spec.linux_.namespaces.push_back({oci::NamespaceType::mount, ""});
    if (inputs.network_namespace.empty())
        add_namespace(spec, inputs, oci::NamespaceType::network, "net", host.network_mode);
    else
        spec.linux_.namespaces.push_back({oci::NamespaceType::network, inputs.network_namespace});
    add_namespace(spec, inputs, oci::NamespaceType::uts, "uts", host.uts_mode);
    add_namespace(spec, inputs, oci::NamespaceType::pid, "pid", host.pid_mode);
    add_namespace(spec, inputs, oci::NamespaceType::ipc, "ipc", host.ipc_mode);
    add_namespace(spec, inputs, oci::NamespaceType::cgroup, "cgroup", host.cgroupns_mode);
    if (host.uts_mode != "host") {
        spec.hostname = inputs.definition.config.hostname;
        spec.domainname = inputs.definition.config.domainname;
    }
}

// ---------------------------------------------------------------- mounts

oci::Mount make_mount(std::string_view destination, std::string_view type,
                      std::vector<std::string> options) {
    oci::Mount mount;
    mount.destination = destination;
    mount.type = mount.source = type;
    mount.options = std::move(options);
    return mount;
}

oci::Mount make_bind(const Path& destination, const Path& source,
                     std::vector<std::string> options) {
    oci::Mount mount = make_mount(destination, "bind", std::move(options));
    mount.source = source;
    return mount;
}

oci::Mount shared_memory_mount(const SpecInputs& inputs) {
    const api::HostConfig& host = inputs.definition.host;
    if (host.ipc_mode == "host") return make_bind("/dev/shm", "/dev/shm", {"rbind", "rprivate"});
    if (std::string donor = container_of_mode(host.ipc_mode); !donor.empty())
        return make_bind("/dev/shm", fmt::format("/proc/{}/root/dev/shm", inputs.get_pid(donor)),
                         {"rbind", "rprivate"});
    const std::uint64_t bytes = host.shm_size > 0 ? static_cast<std::uint64_t>(host.shm_size)
                                                  : inputs.options.default_shm_bytes;
    oci::Mount mount =
        make_mount("/dev/shm", "tmpfs",
                   {"nosuid", "noexec", "nodev", "mode=1777", fmt::format("size={}", bytes)});
    mount.source = "shm";
    return mount;
}

std::vector<oci::Mount> default_mounts(const SpecInputs& inputs) {
    const api::HostConfig& host = inputs.definition.host;
    const std::string access = host.privileged ? "rw" : "ro";
    std::vector<oci::Mount> mounts = {
        make_mount("/proc", "proc", {"nosuid", "noexec", "nodev"}),
        make_mount("/dev", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
        make_mount("/dev/pts", "devpts",
                   {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
        make_mount("/sys", "sysfs", {"nosuid", "noexec", "nodev", access}),
        make_mount("/sys/fs/cgroup", "cgroup", {access, "nosuid", "noexec", "nodev"}),
        make_mount("/dev/mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
    };
    if (host.ipc_mode != "none") mounts.push_back(shared_memory_mount(inputs));
    return mounts;
}

/// A mount of the user replaces the default one at the same place; one over /dev replaces all
/// below it.
bool is_replaced(const oci::Mount& mount, const std::vector<PlannedMount>& planned) {
    return std::any_of(planned.begin(), planned.end(), [&](const PlannedMount& user) {
        return user.destination == mount.destination ||
               (user.destination == "/dev" && mount.destination.starts_with("/dev/"));
    });
}

void add_network_files(oci::Spec& spec, const SpecInputs& inputs,
                       const std::vector<PlannedMount>& planned) {
    struct File {
        const char *destination, *name;
    };
    constexpr File files[] = {{"/etc/resolv.conf", "resolv.conf"},
                              {"/etc/hostname", "hostname"},
                              {"/etc/hosts", "hosts"}};
    for (const File& file : files) {
        oci::Mount mount = make_bind(
            file.destination,
            join(inputs.network_files.empty() ? inputs.directory : inputs.network_files, file.name),
            {"rbind", "rprivate"});
        if (inputs.definition.host.readonly_rootfs) mount.options.push_back("ro");
        if (!is_replaced(mount, planned)) spec.mounts.push_back(std::move(mount));
    }
}

std::string root_propagation(const std::vector<PlannedMount>& planned) {
    std::string result;
    for (const PlannedMount& mount : planned) {
        if (mount.propagation == "shared" || mount.propagation == "rshared") return "shared";
        if (mount.propagation == "slave" || mount.propagation == "rslave") result = "rslave";
    }
    return result;
}

void set_mounts(oci::Spec& spec, const SpecInputs& inputs) {
    const std::vector<PlannedMount>& planned =
        inputs.mounts ? *inputs.mounts : inputs.definition.plan;
    for (oci::Mount& mount : default_mounts(inputs))
        if (!is_replaced(mount, planned)) spec.mounts.push_back(std::move(mount));
    const auto first_of_ours = static_cast<std::ptrdiff_t>(spec.mounts.size());
    add_network_files(spec, inputs, planned);
    for (const PlannedMount& mount : planned) spec.mounts.push_back(to_spec_mount(mount));
    // A volume over /etc must not hide /etc/hosts.
    auto depth = [](const oci::Mount& mount) {
        return std::count(mount.destination.begin(), mount.destination.end(), '/');
    };
    std::stable_sort(spec.mounts.begin() + first_of_ours, spec.mounts.end(),
                     [&](const oci::Mount& a, const oci::Mount& b) { return depth(a) < depth(b); });
    spec.linux_.rootfs_propagation = root_propagation(planned);
}

// ---------------------------------------------------------------- devices

struct DeviceNumber {
    char type = 'c';
    std::int64_t major = 0, minor = 0;
};

oci::DeviceRule make_rule(bool allow, std::string_view type, std::optional<std::int64_t> major,
                          std::optional<std::int64_t> minor, std::string_view access) {
    oci::DeviceRule rule;
    rule.allow = allow;
    rule.type = type;
    rule.major = major;
    rule.minor = minor;
    rule.access = access;
    return rule;
}

std::vector<oci::DeviceRule> default_device_rules() {
    std::vector<oci::DeviceRule> rules = {
        make_rule(false, "a", std::nullopt, std::nullopt, "rwm"),
        // mknod of anything is harmless: opening it is what the other rules decide.
        make_rule(true, "c", std::nullopt, std::nullopt, "m"),
        make_rule(true, "b", std::nullopt, std::nullopt, "m"),
    };
    constexpr DeviceNumber allowed[] = {{'c', 1, 3}, {'c', 1, 5}, {'c', 1, 7}, {'c', 1, 8},
                                        {'c', 1, 9}, {'c', 5, 0}, {'c', 5, 1}, {'c', 5, 2}};
    for (const DeviceNumber& device : allowed)
        rules.push_back(make_rule(true, "c", device.major, device.minor, "rwm"));
    rules.push_back(make_rule(true, "c", 136, std::nullopt, "rwm"));  // pseudo terminals
    return rules;
}

std::optional<oci::Device> find_device(const Path& on_host, const Path& in_container) {
    struct stat info {};
    if (::stat(on_host.c_str(), &info) != 0) return std::nullopt;
    if (!S_ISCHR(info.st_mode) && !S_ISBLK(info.st_mode)) return std::nullopt;
    oci::Device device;
    device.type = S_ISCHR(info.st_mode) ? 'c' : 'b';
    device.path = in_container;
    device.major = static_cast<std::int64_t>(major(info.st_rdev));
    device.minor = static_cast<std::int64_t>(minor(info.st_rdev));
    device.file_mode = info.st_mode & 07777;
    device.uid = info.st_uid;
    device.gid = info.st_gid;
    return device;
}

void collect_devices(const Path& on_host, const Path& in_container,
                     std::vector<oci::Device>& devices) {
    // The nodes every container has are the runtime's; the rest are file systems and links.
    constexpr std::array skipped = {"pts",         "shm",     "fd",   "mqueue", ".lxc",
                                    ".lxd-mounts", ".udev",   "null", "zero",   "full",
                                    "random",      "urandom", "tty",  "ptmx",   "console"};
    for (const std::string& name : sys::list_directory(on_host)) {
        if (std::find(skipped.begin(), skipped.end(), name) != skipped.end()) continue;
        Path path = join(on_host, name);
        auto info = sys::find_stat(path);
        if (!info) continue;
        if (S_ISDIR(info->st_mode))
            collect_devices(path, join(in_container, name), devices);
        else if (S_ISCHR(info->st_mode) || S_ISBLK(info->st_mode))
            if (auto device = find_device(path, join(in_container, name)))
                devices.push_back(std::move(*device));
    }
}

std::vector<oci::Device> devices_of_mapping(const api::DeviceMapping& mapping) {
    const Path inside =
        mapping.path_in_container.empty() ? mapping.path_on_host : mapping.path_in_container;
    if (auto device = find_device(mapping.path_on_host, inside)) return {std::move(*device)};
    std::vector<oci::Device> devices;
    struct stat info {};
    if (::stat(mapping.path_on_host.c_str(), &info) != 0)
        throw Error(ErrorKind::invalid_argument,
                    "error gathering device information while adding custom device \"{}\": no such "
                    "file or directory",
                    mapping.path_on_host);
    if (S_ISDIR(info.st_mode)) collect_devices(mapping.path_on_host, inside, devices);
    if (devices.empty())
        throw Error(ErrorKind::invalid_argument,
                    "error gathering device information while adding custom device \"{}\": not a "
                    "device node",
                    mapping.path_on_host);
    return devices;
}

oci::DeviceRule parse_device_rule(const std::string& text) {
    std::vector<std::string> words = split(text, ' ');
    std::vector<std::string> numbers = split(words.at(1), ':');
    auto number = [](const std::string& word) -> std::optional<std::int64_t> {
        return word == "*" ? std::nullopt : find_integer(word);
    };
    return make_rule(true, words.at(0), number(numbers.at(0)), number(numbers.at(1)), words.at(2));
}

void set_devices(oci::Spec& spec, const api::HostConfig& host) {
    std::vector<oci::DeviceRule>& rules = spec.linux_.resources.devices;
    if (host.privileged) {
        collect_devices("/dev", "/dev", spec.linux_.devices);
        rules = {make_rule(true, "a", std::nullopt, std::nullopt, "rwm")};
    } else {
        rules = default_device_rules();
    }
    for (const api::DeviceMapping& mapping : host.devices) {
        const std::string access =
            mapping.cgroup_permissions.empty() ? "rwm" : mapping.cgroup_permissions;
        for (oci::Device& device : devices_of_mapping(mapping)) {
            rules.push_back(
                make_rule(true, std::string(1, device.type), device.major, device.minor, access));
            std::erase_if(spec.linux_.devices,
                          [&](const oci::Device& old) { return old.path == device.path; });
            spec.linux_.devices.push_back(std::move(device));
        }
    }
    if (!host.privileged)
        for (const std::string& rule : host.device_cgroup_rules)
            rules.push_back(parse_device_rule(rule));
}

// ---------------------------------------------------------------- limits

DeviceNumber get_block_device(const std::string& path) {
    auto device = find_device(path, path);
    if (!device || device->type != 'b')
        throw Error(ErrorKind::invalid_argument, "{} is not a block device", path);
    return {'b', device->major, device->minor};
}

std::vector<oci::ThrottleDevice> throttles(const std::vector<api::ThrottleDevice>& devices) {
    std::vector<oci::ThrottleDevice> result;
    for (const api::ThrottleDevice& device : devices) {
        DeviceNumber number = get_block_device(device.path);
        result.push_back({number.major, number.minor, device.rate});
    }
    return result;
}

template <typename T>
std::optional<T> unless_zero(std::int64_t value) {
    if (value == 0) return std::nullopt;
    return static_cast<T>(value);
}

void set_cpu(oci::CpuResources& cpu, const api::HostConfig& host) {
    constexpr std::int64_t default_period_us = 100'000;
    cpu.shares = unless_zero<std::uint64_t>(host.cpu_shares);
    cpu.period = unless_zero<std::uint64_t>(host.cpu_period);
    cpu.quota = unless_zero<std::int64_t>(host.cpu_quota);
    if (host.nano_cpus > 0) {
        cpu.period = default_period_us;
        cpu.quota = host.nano_cpus * default_period_us / 1'000'000'000;
    }
    cpu.realtime_period = unless_zero<std::uint64_t>(host.cpu_realtime_period);
    cpu.realtime_runtime = unless_zero<std::int64_t>(host.cpu_realtime_runtime);
    cpu.cpus = host.cpuset_cpus;
    cpu.mems = host.cpuset_mems;
}

void set_block_io(oci::BlockIoResources& io, const api::HostConfig& host) {
    io.weight = unless_zero<std::uint16_t>(host.blkio_weight);
    for (const api::WeightDevice& device : host.blkio_weight_device) {
        DeviceNumber number = get_block_device(device.path);
        io.weight_device.push_back(
            {number.major, number.minor, static_cast<std::uint16_t>(device.weight), std::nullopt});
    }
    io.throttle_read_bps = throttles(host.blkio_device_read_bps);
    io.throttle_write_bps = throttles(host.blkio_device_write_bps);
    io.throttle_read_iops = throttles(host.blkio_device_read_iops);
    io.throttle_write_iops = throttles(host.blkio_device_write_iops);
}

void set_resources(oci::Resources& resources, const api::HostConfig& host) {
    resources.memory.limit = unless_zero<std::int64_t>(host.memory);
    resources.memory.reservation = unless_zero<std::int64_t>(host.memory_reservation);
    if (host.memory > 0) resources.memory.swap = unless_zero<std::int64_t>(host.memory_swap);
    if (host.memory_swappiness && *host.memory_swappiness != -1)
        resources.memory.swappiness = static_cast<std::uint64_t>(*host.memory_swappiness);
    if (host.oom_kill_disable.value_or(false)) resources.memory.disable_oom_killer = true;
    if (host.pids_limit && *host.pids_limit != 0)
        resources.pids_limit = std::max<std::int64_t>(*host.pids_limit, -1);
    set_cpu(resources.cpu, host);
    set_block_io(resources.block_io, host);
}

std::vector<oci::Rlimit> make_rlimits(const api::HostConfig& host) {
    auto value = [](std::int64_t number) {
        return number < 0 ? std::numeric_limits<std::uint64_t>::max()
                          : static_cast<std::uint64_t>(number);
    };
    std::vector<oci::Rlimit> limits;
    for (const api::Ulimit& limit : host.ulimits) {
        std::string type = "RLIMIT_";
        for (char c : limit.name) type += static_cast<char>(c - 'a' + 'A');
        limits.push_back({std::move(type), value(limit.soft), value(limit.hard)});
    }
    // Ours is higher than what this host gives to its programs.
    const auto is_files = [](const oci::Rlimit& limit) { return limit.type == "RLIMIT_NOFILE"; };
    if (const auto files = linux_::original_file_limit();
        files && std::none_of(limits.begin(), limits.end(), is_files))
        limits.push_back({"RLIMIT_NOFILE", files->soft, files->hard});
    return limits;
}

void set_sysctls(oci::Spec& spec, const api::HostConfig& host) {
    if (has_private_network(host)) {
        // Namespaced and harmless: low ports and ping without capabilities, as Docker since 20.10.
        spec.linux_.sysctl["net.ipv4.ip_unprivileged_port_start"] = "0";
        spec.linux_.sysctl["net.ipv4.ping_group_range"] = "0 2147483647";
    }
    for (const auto& [name, value] : host.sysctls) spec.linux_.sysctl[name] = value;
}

// ---------------------------------------------------------------- the process

/// "user[:group][+group…]", resolved by the runtime inside the root file system.
std::string user_text(const std::string& user, const api::HostConfig& host) {
    std::string text = user.empty() ? "0" : user;
    for (const std::string& group : host.group_add) text += "+" + group;
    return text;
}

oci::Capabilities make_capabilities(const std::vector<std::string>& names) {
    oci::Capabilities result;
    result.bounding = result.effective = result.permitted = names;
    return result;  // an inheritable set would be CVE-2022-24769
}

oci::Process make_process(const SpecInputs& inputs) {
    const Definition& definition = inputs.definition;
    const api::HostConfig& host = definition.host;
    oci::Process process;
    process.terminal = definition.config.tty;
    if (process.terminal && host.console_size[0] > 0)
        process.console_size = oci::ConsoleSize{static_cast<unsigned short>(host.console_size[0]),
                                                static_cast<unsigned short>(host.console_size[1])};
    process.user.username = user_text(definition.config.user, host);
    process.args.push_back(definition.path);
    process.args.insert(process.args.end(), definition.args.begin(), definition.args.end());
    process.env = make_environment(definition.config, process.terminal);
    merge_environment(process.env, inputs.secret_environment);
    process.cwd = definition.config.working_dir.empty() ? "/" : definition.config.working_dir;
    process.capabilities = make_capabilities(effective_capabilities(host));
    process.rlimits = make_rlimits(host);
    process.no_new_privileges = parse_security_options(host).no_new_privileges;
    process.apparmor_profile =
        apparmor_profile(inputs.definition, inputs.host, inputs.default_apparmor);
    process.oom_score_adj = static_cast<int>(host.oom_score_adj);
    return process;
}

}  // namespace

oci::Resources make_resources(const api::HostConfig& host) {
    oci::Resources resources;
    set_resources(resources, host);
    return resources;
}

bool has_private_network(const api::HostConfig& host) {
    return host.network_mode != "host" && container_of_mode(host.network_mode).empty();
}

std::string container_of_mode(const std::string& mode) {
    constexpr std::string_view prefix = "container:";
    return mode.starts_with(prefix) ? mode.substr(prefix.size()) : "";
}

std::string cgroup_path(std::string parent, const std::string& id, const Options& options) {
    if (parent.empty()) parent = options.cgroup_parent;
    if (options.systemd_cgroups) return fmt::format("{}:hull:{}", parent, id);
    if (!parent.starts_with('/')) parent.insert(0, "/");
    return join(clean_path(parent), id);
}

std::string cgroup_path(const Definition& definition, const Options& options) {
    return cgroup_path(definition.host.cgroup_parent, definition.id, options);
}

std::string apparmor_profile(const Definition& definition, const Host& host,
                             const AppArmorDefault& standard) {
    if (!host.has_apparmor) return "";
    const std::string wanted = parse_security_options(definition.host).apparmor;
    if (!wanted.empty()) return wanted;
    if (definition.host.privileged) return "unconfined";
    if (!standard.problem.empty())
        throw Error(ErrorKind::unavailable,
                    "{}; --security-opt apparmor=unconfined runs without it", standard.problem);
    return standard.is_loaded ? std::string(linux_::default_apparmor_profile) : "";
}

std::string seccomp_profile_text(const Definition& definition, const Options& options) {
    std::string wanted = parse_security_options(definition.host).seccomp;
    if (definition.host.privileged && wanted.empty()) return "";
    if (wanted.empty()) wanted = options.seccomp_profile;
    if (wanted == "unconfined") return "";
    if (wanted.empty() || wanted == "builtin") return std::string(oci::default_seccomp_profile());
    // The CLI sends the profile itself; only the daemon's own option is a path.
    if (wanted == options.seccomp_profile) return read_file(wanted);
    return wanted;
}

std::vector<std::string> make_environment(const api::ContainerConfig& config, bool terminal) {
    std::vector<std::string> environment = {std::string(default_path)};
    environment.push_back("HOSTNAME=" + config.hostname);
    if (terminal) environment.push_back("TERM=xterm");
    merge_environment(environment, config.env);
    return environment;
}

oci::Process make_exec_process(const SpecInputs& inputs, const api::ExecCreateRequest& request) {
    oci::Process process = make_process(inputs);
    process.terminal = request.tty;
    process.console_size.reset();
    process.args = request.cmd;
    process.env = make_environment(inputs.definition.config, request.tty);
    merge_environment(process.env, inputs.secret_environment);
    merge_environment(process.env, request.env);
    if (!request.user.empty())
        process.user.username = user_text(request.user, inputs.definition.host);
    if (!request.working_dir.empty()) process.cwd = request.working_dir;
    if (request.privileged) {
        process.capabilities =
            make_capabilities(linux_::capability_names(linux_::grantable_capabilities()));
        process.no_new_privileges = false;
    }
    process.oom_score_adj.reset();  // inherited
    return process;
}

oci::Spec make_spec(const SpecInputs& inputs) {
    const api::HostConfig& host = inputs.definition.host;
    oci::Spec spec;
    spec.root.path = "rootfs";
    spec.root.readonly = host.readonly_rootfs;
    spec.process = make_process(inputs);
    spec.annotations = host.annotations;
    spec.linux_.cgroups_path = cgroup_path(inputs.definition, inputs.options);
    if (inputs.seccomp.filter.empty()) spec.linux_.seccomp = inputs.seccomp.profile;
    set_namespaces(spec, inputs);
    set_mounts(spec, inputs);
    set_hidden_paths(spec, inputs);
    set_devices(spec, host);
    set_resources(spec.linux_.resources, host);
    set_sysctls(spec, host);
    return spec;
}

}  // namespace hull::engine
