#include "base/error.hh"
#include "base/file.hh"
#include "base/json.hh"
#include "cli/create_flags.hh"
#include "cli/session.hh"

#include <algorithm>
#include <cstdlib>

namespace hull::cli {
namespace {

api::Strings strings(const std::vector<std::string>& values) {
    api::Strings result;
    result.assign(values.begin(), values.end());
    return result;
}

/// Nothing stays null, so that the daemon's defaults hold.
template <typename Target, typename Parse>
auto parse_each(const std::vector<std::string>& values, Target& target, Parse parse) {
    for (const std::string& value : values) target.push_back(parse(value));
}

void set_streams(const Arguments& arguments, api::ContainerConfig& config) {
    config.tty = arguments.flag("tty");
    config.open_stdin = arguments.flag("interactive");
    std::vector<std::string> attach;
    for (const std::string& name : arguments.list("attach")) attach.push_back(lower(name));
    const auto wants = [&](std::string_view name) {
        return std::find(attach.begin(), attach.end(), name) != attach.end();
    };
    config.attach_stdin = attach.empty() ? config.open_stdin : wants("stdin");
    config.attach_stdout = attach.empty() || wants("stdout");
    config.attach_stderr = attach.empty() || wants("stderr");
    config.stdin_once = config.open_stdin && config.attach_stdin;
}

void add_proxies(Session& session, std::vector<std::string>& environment) {
    const json::Value& proxies = session.config("proxies");
    if (!proxies.is_object()) return;
    const json::Value& own = proxies[session.host];
    const json::Value& chosen = own.is_null() ? proxies["default"] : own;
    constexpr std::pair<std::string_view, std::string_view> names[] = {
        {"httpProxy", "HTTP_PROXY"},
        {"httpsProxy", "HTTPS_PROXY"},
        {"ftpProxy", "FTP_PROXY"},
        {"noProxy", "NO_PROXY"},
        {"allProxy", "ALL_PROXY"}};
    for (const auto& [member, variable] : names) {
        const json::Value& value = chosen[member];
        if (!value.is_string() || value.as_string().empty()) continue;
        for (const std::string& name : {std::string(variable), lower(variable)}) {
            const bool given =
                std::any_of(environment.begin(), environment.end(),
                            [&](const std::string& item) { return item.starts_with(name + "="); });
            if (!given) environment.push_back(name + "=" + value.as_string());
        }
    }
}

void set_environment(Session& session, const Arguments& arguments, api::ContainerConfig& config) {
    std::vector<std::string> environment;
    for (const std::string& path : arguments.list("env-file"))
        for (std::string& item : read_env_file(path)) environment.push_back(std::move(item));
    for (const std::string& item : arguments.list("env"))
        if (std::optional<std::string> resolved = resolve_environment(item))
            environment.push_back(std::move(*resolved));
    add_proxies(session, environment);
    config.env = strings(environment);
    std::vector<std::string> labels;
    for (const std::string& path : arguments.list("label-file"))
        for (std::string& item : read_label_file(path)) labels.push_back(std::move(item));
    for (const std::string& item : arguments.list("label")) labels.push_back(item);
    config.labels = make_string_map(labels);
}

void set_health(const Arguments& arguments, api::ContainerConfig& config) {
    constexpr std::string_view durations[] = {"health-interval", "health-timeout",
                                              "health-start-period", "health-start-interval"};
    constexpr std::pair<std::string_view, std::string_view> probes[] = {{"health-cmd", "CMD-SHELL"},
                                                                        {"health-http", "HTTP"},
                                                                        {"health-tcp", "TCP"},
                                                                        {"health-file", "FILE"}};
    std::vector<std::string> test;
    for (const auto& [name, kind] : probes) {
        if (arguments.text(name).empty()) continue;
        if (!test.empty())
            fail("conflicting options: --{} and another health check of the same container", name);
        test = {std::string(kind), arguments.text(name)};
    }
    bool any = !test.empty() || arguments.integer("health-retries") != 0 ||
               !arguments.text("health-action").empty();
    for (std::string_view name : durations) {
        const std::int64_t value = parse_duration(arguments.text(name));
        if (value < 0) fail("--{} cannot be negative", name);
        any |= value != 0;
    }
    if (arguments.flag("no-healthcheck")) {
        if (any) fail("--no-healthcheck conflicts with --health-* options");
        config.healthcheck.emplace().test = strings({"NONE"});
        return;
    }
    if (!any) return;
    api::HealthConfig& health = config.healthcheck.emplace();
    if (!test.empty()) health.test = strings(test);
    health.action = arguments.text("health-action");
    health.interval = parse_duration(arguments.text("health-interval"));
    health.timeout = parse_duration(arguments.text("health-timeout"));
    health.start_period = parse_duration(arguments.text("health-start-period"));
    health.start_interval = parse_duration(arguments.text("health-start-interval"));
    health.retries = arguments.integer("health-retries");
    if (health.retries < 0) fail("--health-retries cannot be negative");
}

void set_ports(const Arguments& arguments, api::CreateRequest& request) {
    for (const std::string& text : arguments.list("publish")) {
        for (const PortValue& value : parse_published_ports(text)) {
            request.config.exposed_ports.insert(value.port);
            request.host_config.port_bindings[value.port].push_back(value.binding);
        }
    }
    for (const std::string& text : arguments.list("expose"))
        for (const std::string& port : parse_exposed_ports(text))
            request.config.exposed_ports.insert(port);
    request.host_config.publish_all_ports = arguments.flag("publish-all");
}

std::vector<std::string> both(const Arguments& arguments, std::string_view name,
                              std::string_view old_name) {
    std::vector<std::string> values = arguments.list(name);
    for (const std::string& value : arguments.list(old_name)) values.push_back(value);
    return values;
}

bool is_user_defined(std::string_view network) {
    return network != "default" && network != "bridge" && network != "host" && network != "none" &&
           !network.starts_with("container:");
}

void set_network(const Arguments& arguments, api::CreateRequest& request) {
    std::vector<NetworkValue> networks;
    for (const std::string& text : both(arguments, "network", "net"))
        networks.push_back(parse_network(text));
    if (networks.empty()) networks.push_back({"default", {}});
    api::EndpointSettings& first = networks[0].settings;
    const auto ipam = [&]() -> api::EndpointIpamConfig& {
        if (!first.ipam_config) first.ipam_config.emplace();
        return *first.ipam_config;
    };
    const std::vector<std::string> aliases = both(arguments, "network-alias", "net-alias");
    if (!aliases.empty() && !first.aliases.empty())
        fail("conflicting options: cannot specify both --network-alias and per-network alias");
    for (const std::string& alias : aliases) first.aliases.push_back(alias);
    if (arguments.given("ip")) ipam().ipv4_address = arguments.text("ip");
    if (arguments.given("ip6")) ipam().ipv6_address = arguments.text("ip6");
    for (const std::string& address : arguments.list("link-local-ip"))
        ipam().link_local_ips.push_back(address);
    for (const std::string& link : arguments.list("link"))
        if (is_user_defined(networks[0].name)) first.links.push_back(link);
    if (arguments.given("mac-address")) {
        first.mac_address = arguments.text("mac-address");
        request.config.mac_address = arguments.text("mac-address");
    }
    if (!is_user_defined(networks[0].name) && !aliases.empty())
        fail("network-scoped aliases are only supported for user-defined networks");
    request.host_config.network_mode = networks[0].name;
    const bool plain = networks.size() == 1 && !first.ipam_config && first.aliases.empty() &&
                       first.links.empty() && first.mac_address.empty() &&
                       first.driver_opts.empty() && first.gw_priority == 0;
    if (plain) return;
    const bool user_defined =
        std::any_of(networks.begin(), networks.end(),
                    [](const auto& network) { return is_user_defined(network.name); });
    for (const NetworkValue& network : networks) {
        if (user_defined && !is_user_defined(network.name) && network.name != "default")
            fail(
                "conflicting options: cannot attach both user-defined and non-user-defined "
                "network-modes");
        auto& endpoints = request.networking_config.endpoints_config;
        if (endpoints.count(network.name))
            fail("network \"{}\" is specified multiple times", network.name);
        endpoints[network.name] = network.settings;
    }
}

void set_volumes(const Arguments& arguments, api::CreateRequest& request) {
    api::HostConfig& host = request.host_config;
    for (const std::string& text : arguments.list("volume")) {
        VolumeValue value = parse_volume(text);
        if (value.bind.empty())
            request.config.volumes.insert(value.target);
        else
            host.binds.push_back(std::move(value.bind));
    }
    parse_each(arguments.list("mount"), host.mounts, parse_mount);
    for (const std::string& text : arguments.list("secret"))
        host.secrets.push_back(parse_secret_use(text));
    host.volumes_from = strings(arguments.list("volumes-from"));
    host.volume_driver = arguments.text("volume-driver");
    for (const std::string& text : arguments.list("tmpfs")) {
        const std::size_t colon = text.find(':');
        host.tmpfs[text.substr(0, colon)] =
            colon == std::string::npos ? "" : text.substr(colon + 1);
    }
}

void set_security(const Arguments& arguments, api::HostConfig& host) {
    for (const std::string& option : arguments.list("security-opt")) {
        if (option == "systempaths=unconfined") {
            host.masked_paths = api::Strings::none();
            host.readonly_paths = api::Strings::none();
            continue;
        }
        std::size_t separator = option.find('=');
        if (separator == std::string::npos) separator = option.find(':');
        const std::string key = option.substr(0, separator);
        const std::string value =
            separator == std::string::npos ? "" : option.substr(separator + 1);
        if (value.empty() && key != "no-new-privileges")
            fail("Invalid --security-opt: \"{}\"", option);
        if (key != "seccomp" || value == "builtin" || value == "unconfined") {
            host.security_opt.push_back(option);
            continue;
        }
        const std::optional<std::string> profile = find_file(value);
        if (!profile)
            fail("opening seccomp profile ({0}) failed: open {0}: no such file or directory",
                 value);
        const std::string compact =
            with_context([&] { return json::dump(json::parse(*profile)); },
                         "compacting json for seccomp profile ({}) failed", value);
        host.security_opt.push_back("seccomp=" + compact);
    }
    host.privileged = arguments.flag("privileged");
    host.cap_add = strings(arguments.list("cap-add"));
    host.cap_drop = strings(arguments.list("cap-drop"));
    host.readonly_rootfs = arguments.flag("read-only");
    host.group_add = strings(arguments.list("group-add"));
}

void set_namespaces(const Arguments& arguments, api::HostConfig& host) {
    const auto one_of = [&](std::string_view flag, std::initializer_list<std::string_view> valid,
                            std::string_view problem) {
        const std::string& mode = arguments.text(flag);
        const bool of_container = flag == "pid" && mode.starts_with("container:");
        if (!of_container && std::find(valid.begin(), valid.end(), mode) == valid.end())
            fail("--{}: invalid {} mode", flag, problem);
        return mode;
    };
    host.ipc_mode = arguments.text("ipc");
    host.pid_mode = one_of("pid", {"", "host"}, "PID");
    host.uts_mode = one_of("uts", {"", "host"}, "UTS");
    host.userns_mode = one_of("userns", {"", "host"}, "USER");
    host.cgroupns_mode = one_of("cgroupns", {"", "host", "private"}, "CGROUP");
}

std::int64_t bytes(const Arguments& arguments, std::string_view name) {
    return arguments.given(name) ? parse_swap_bytes(arguments.text(name)) : 0;
}

void set_resources(const Arguments& arguments, api::HostConfig& host) {
    host.memory = bytes(arguments, "memory");
    host.memory_reservation = bytes(arguments, "memory-reservation");
    host.memory_swap = bytes(arguments, "memory-swap");
    host.shm_size = bytes(arguments, "shm-size");
    const std::int64_t swappiness = arguments.integer("memory-swappiness");
    if (swappiness < -1 || swappiness > 100)
        fail("invalid value: {}. Valid memory swappiness range is 0-100", swappiness);
    if (swappiness >= 0) host.memory_swappiness = swappiness;
    if (arguments.given("oom-kill-disable"))
        host.oom_kill_disable = arguments.flag("oom-kill-disable");
    host.oom_score_adj = arguments.integer("oom-score-adj");
    if (arguments.given("pids-limit")) host.pids_limit = arguments.integer("pids-limit");
    if (arguments.given("cpus")) host.nano_cpus = parse_nano_cpus(arguments.text("cpus"));
    host.cpu_shares = arguments.integer("cpu-shares");
    host.cpu_period = arguments.integer("cpu-period");
    host.cpu_quota = arguments.integer("cpu-quota");
    host.cpu_realtime_period = arguments.integer("cpu-rt-period");
    host.cpu_realtime_runtime = arguments.integer("cpu-rt-runtime");
    host.cpu_count = arguments.integer("cpu-count");
    host.cpu_percent = arguments.integer("cpu-percent");
    host.io_maximum_bandwidth = bytes(arguments, "io-maxbandwidth");
    host.io_maximum_iops = arguments.integer("io-maxiops");
    host.cpuset_cpus = arguments.text("cpuset-cpus");
    host.cpuset_mems = arguments.text("cpuset-mems");
    host.cgroup_parent = arguments.text("cgroup-parent");
    host.blkio_weight = arguments.integer("blkio-weight");
    parse_each(arguments.list("blkio-weight-device"), host.blkio_weight_device,
               parse_weight_device);
    parse_each(arguments.list("device-read-bps"), host.blkio_device_read_bps, parse_throttle_bytes);
    parse_each(arguments.list("device-write-bps"), host.blkio_device_write_bps,
               parse_throttle_bytes);
    parse_each(arguments.list("device-read-iops"), host.blkio_device_read_iops,
               parse_throttle_iops);
    parse_each(arguments.list("device-write-iops"), host.blkio_device_write_iops,
               parse_throttle_iops);
    for (const std::string& text : arguments.list("ulimit")) {
        const api::Ulimit limit = parse_ulimit(text);
        std::erase_if(host.ulimits,
                      [&](const api::Ulimit& other) { return other.name == limit.name; });
        host.ulimits.push_back(limit);
    }
    for (const std::string& text : arguments.list("device")) {
        check_device(text);
        if (is_cdi_device(text)) {
            api::DeviceRequest wanted;
            wanted.driver = "cdi";
            wanted.device_ids.push_back(text);
            host.device_requests.push_back(std::move(wanted));
        } else {
            host.devices.push_back(parse_device(text));
        }
    }
    parse_each(arguments.list("gpus"), host.device_requests, parse_gpus);
    host.device_cgroup_rules = strings(arguments.list("device-cgroup-rule"));
}

void set_logging(const Arguments& arguments, api::HostConfig& host) {
    host.log_config.type = arguments.text("log-driver");
    if (host.log_config.type == "none" && !arguments.list("log-opt").empty())
        fail("invalid logging opts for driver {}", host.log_config.type);
    host.log_config.config = make_string_map(arguments.list("log-opt"));
}

void refuse_unsupported(const Arguments& arguments) {
    if (!arguments.flag("disable-content-trust"))
        throw Error(ErrorKind::unsupported, "content trust is not supported");
}

}  // namespace

api::CreateRequest make_create_request(Session& session, const Arguments& arguments) {
    refuse_unsupported(arguments);
    api::CreateRequest request;
    api::ContainerConfig& config = request.config;
    api::HostConfig& host = request.host_config;
    config.image = arguments.positional[0];
    if (arguments.positional.size() > 1)
        config.cmd = strings({arguments.positional.begin() + 1, arguments.positional.end()});
    if (arguments.given("entrypoint")) config.entrypoint = strings({arguments.text("entrypoint")});
    config.hostname = arguments.text("hostname");
    config.domainname = arguments.text("domainname");
    config.user = arguments.text("user");
    config.working_dir = arguments.text("workdir");
    config.stop_signal = arguments.text("stop-signal");
    if (arguments.given("stop-timeout")) config.stop_timeout = arguments.integer("stop-timeout");
    set_streams(arguments, config);
    set_environment(session, arguments, config);
    set_health(arguments, config);
    set_ports(arguments, request);
    set_network(arguments, request);
    set_volumes(arguments, request);
    set_security(arguments, host);
    set_namespaces(arguments, host);
    set_resources(arguments, host);
    set_logging(arguments, host);
    host.container_id_file = arguments.text("cidfile");
    host.auto_remove = arguments.flag("rm");
    host.restart_policy = parse_restart_policy(arguments.text("restart"));
    if (host.auto_remove && host.restart_policy.name != "no" && !host.restart_policy.name.empty())
        fail("conflicting options: cannot specify both --restart and --rm");
    host.annotations = make_string_map(arguments.list("annotation"));
    host.dns = strings(arguments.list("dns"));
    host.dns_options = strings(both(arguments, "dns-option", "dns-opt"));
    host.dns_search = strings(arguments.list("dns-search"));
    parse_each(arguments.list("add-host"), host.extra_hosts, parse_extra_host);
    host.links = strings(arguments.list("link"));
    host.storage_opt = make_string_map(arguments.list("storage-opt"));
    host.sysctls = make_string_map(arguments.list("sysctl"));
    host.runtime = arguments.text("runtime");
    host.isolation = arguments.text("isolation");
    if (arguments.given("init")) host.init = arguments.flag("init");
    return request;
}

std::string chosen_platform(const Arguments& arguments) {
    if (!arguments.text("platform").empty()) return arguments.text("platform");
    const char* value = ::getenv("DOCKER_DEFAULT_PLATFORM");
    return value ? value : "";
}

}  // namespace hull::cli
