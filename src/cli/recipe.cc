#include "cli/recipe.hh"

#include "cli/words.hh"

#include <fmt/core.h>

#include <algorithm>

namespace hull::cli {
namespace {

constexpr std::int64_t default_shm_bytes = 64 << 20;

/// One field of a CSV record.
std::string csv_field(const std::string& text) {
    if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
    std::string quoted = "\"";
    for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    return quoted + "\"";
}

std::string csv(const std::vector<std::string>& fields) {
    std::vector<std::string> quoted;
    for (const std::string& field : fields) quoted.push_back(csv_field(field));
    return join_text(quoted, ",");
}

/// "1h0m3.5s" and the like, as --health-interval takes it.
std::string duration(std::int64_t ns) { return fmt::format("{}ns", ns); }

class Writer {
public:
    explicit Writer(Recipe& recipe) : recipe_(recipe) {}

    void add(std::string flag, std::string value) {
        recipe_.items.push_back({std::move(flag), std::move(value), false});
    }
    void text(const char* flag, const std::string& value, std::string_view standard = "") {
        if (!value.empty() && value != standard) add(flag, value);
    }
    void number(const char* flag, std::int64_t value, std::int64_t standard = 0) {
        if (value != standard) add(flag, std::to_string(value));
    }
    void toggle(const char* flag, bool value) {
        if (value) recipe_.items.push_back({flag, "", true});
    }
    template <typename Values>
    void list(const char* flag, const Values& values) {
        for (const std::string& value : values) add(flag, value);
    }
    void map(const char* flag, const api::StringMap& values, const api::StringMap& without = {}) {
        for (const auto& [name, value] : values) {
            const auto known = without.find(name);
            if (known == without.end() || known->second != value) add(flag, name + "=" + value);
        }
    }
    void leave_out(std::string what) { recipe_.left_out.push_back(std::move(what)); }

private:
    Recipe& recipe_;
};

std::string first_id_digits(const std::string& id) { return id.substr(0, 12); }

void add_process(Writer& out, const api::ContainerInspect& container,
                 const api::ContainerConfig& image) {
    const api::ContainerConfig& config = container.config;
    out.text("name", container.name.starts_with('/') ? container.name.substr(1) : container.name);
    out.toggle("detach", !config.attach_stdout && !config.attach_stderr);
    out.toggle("interactive", config.open_stdin);
    out.toggle("tty", config.tty);
    const api::HostConfig& host = container.host_config;
    const bool has_own_name = host.network_mode != "host" && host.uts_mode != "host" &&
                              !host.network_mode.starts_with("container:");
    if (has_own_name) out.text("hostname", config.hostname, first_id_digits(container.id));
    out.text("domainname", config.domainname);
    out.text("user", config.user, image.user);
    out.text("workdir", config.working_dir, image.working_dir);
    for (const std::string& entry : config.env)
        if (std::find(image.env.begin(), image.env.end(), entry) == image.env.end())
            out.add("env", entry);
    out.map("label", config.labels, image.labels);
    out.text("stop-signal", config.stop_signal, image.stop_signal);
    if (config.stop_timeout) out.number("stop-timeout", *config.stop_timeout, -2);
    for (const std::string& port : config.exposed_ports)
        if (!image.exposed_ports.contains(port) && !host.port_bindings.contains(port))
            out.add("expose", port);
    out.text("mac-address", config.mac_address);
}

/// As a shell splits them again.
std::string shell_words(const api::Strings& words, std::size_t first);

void add_health(Writer& out, const api::ContainerConfig& config,
                const api::ContainerConfig& image) {
    if (!config.healthcheck) return;
    const api::HealthConfig& check = *config.healthcheck;
    const api::HealthConfig base = image.healthcheck.value_or(api::HealthConfig());
    if (check.test != base.test && !check.test.empty()) {
        const std::string& kind = check.test.front();
        if (kind == "NONE") return out.toggle("no-healthcheck", true);
        if (kind == "CMD-SHELL" && check.test.size() == 2) out.add("health-cmd", check.test[1]);
        if (kind == "CMD") {
            out.add("health-cmd", "exec " + shell_words(check.test, 1));
            out.leave_out("the health check runs without a shell");
        }
        if (kind == "HTTP" || kind == "TCP" || kind == "FILE")
            out.add(kind == "HTTP"  ? "health-http"
                    : kind == "TCP" ? "health-tcp"
                                    : "health-file",
                    check.test[1]);
    }
    const auto time = [&](const char* flag, std::int64_t value, std::int64_t standard) {
        if (value != standard) out.add(flag, duration(value));
    };
    time("health-interval", check.interval, base.interval);
    time("health-timeout", check.timeout, base.timeout);
    time("health-start-period", check.start_period, base.start_period);
    time("health-start-interval", check.start_interval, base.start_interval);
    out.number("health-retries", check.retries, base.retries);
    out.text("health-action", check.action);
}

void add_ports(Writer& out, const api::HostConfig& host) {
    for (const auto& [port, bindings] : host.port_bindings)
        for (const api::PortBinding& binding : bindings) {
            const bool is_v6 = binding.host_ip.find(':') != std::string::npos;
            const std::string address = is_v6 ? "[" + binding.host_ip + "]" : binding.host_ip;
            std::string text;
            if (!address.empty()) text = address + ":";
            if (!address.empty() || !binding.host_port.empty()) text += binding.host_port + ":";
            out.add("publish", text + port);
        }
    out.toggle("publish-all", host.publish_all_ports);
}

void add_networks(Writer& out, const api::ContainerInspect& container) {
    const std::string& mode = container.host_config.network_mode;
    const auto& networks = container.network_settings.networks;
    const bool is_own = mode != "default" && mode != "bridge" && mode != "host" && mode != "none" &&
                        !mode.starts_with("container:");
    if (!is_own && mode != "default" && mode != "bridge" && !mode.empty()) out.add("network", mode);
    std::vector<std::string> names;
    if (networks.contains(mode)) names.push_back(mode);
    for (const auto& [name, settings] : networks)
        if (name != mode && (is_own || name != "bridge") && name != "host" && name != "none")
            names.push_back(name);
    if (!is_own && names.size() == 1 && names[0] == mode) return;
    for (const std::string& name : names) {
        const api::EndpointSettings& settings = networks.find(name)->second;
        std::vector<std::string> fields = {"name=" + name};
        for (const std::string& alias : settings.aliases)
            if (alias != first_id_digits(container.id)) fields.push_back("alias=" + alias);
        if (settings.ipam_config) {
            if (!settings.ipam_config->ipv4_address.empty())
                fields.push_back("ip=" + settings.ipam_config->ipv4_address);
            if (!settings.ipam_config->ipv6_address.empty())
                fields.push_back("ip6=" + settings.ipam_config->ipv6_address);
            for (const std::string& address : settings.ipam_config->link_local_ips)
                fields.push_back("link-local-ip=" + address);
        }
        for (const auto& [option, value] : settings.driver_opts)
            fields.push_back("driver-opt=" + option + "=" + value);
        if (settings.gw_priority != 0)
            fields.push_back(fmt::format("gw-priority={}", settings.gw_priority));
        out.add("network", fields.size() == 1 ? name : csv(fields));
    }
}

std::string mount_text(const api::Mount& mount) {
    std::vector<std::string> fields = {"type=" + mount.type};
    const auto put = [&](const char* key, const std::string& value) {
        if (!value.empty()) fields.push_back(std::string(key) + "=" + value);
    };
    put("source", mount.source);
    put("target", mount.target);
    if (mount.read_only) fields.push_back("readonly");
    put("consistency", mount.consistency);
    if (const auto& bind = mount.bind_options) {
        put("bind-propagation", bind->propagation);
        if (bind->create_mountpoint) fields.push_back("bind-create-src");
        if (bind->non_recursive) put("bind-recursive", "disabled");
        if (bind->read_only_non_recursive) put("bind-recursive", "writable");
        if (bind->read_only_force_recursive) put("bind-recursive", "readonly");
        if (!bind->id_map.empty()) fields.push_back(bind->id_map);
    }
    if (const auto& volume = mount.volume_options) {
        if (volume->no_copy) fields.push_back("volume-nocopy");
        for (const auto& [name, value] : volume->labels) put("volume-label", name + "=" + value);
        put("volume-subpath", volume->subpath);
        if (volume->driver_config) {
            put("volume-driver", volume->driver_config->name);
            for (const auto& [name, value] : volume->driver_config->options)
                put("volume-opt", name + "=" + value);
        }
        if (!volume->id_map.empty()) fields.push_back(volume->id_map);
    }
    if (mount.image_options) put("image-subpath", mount.image_options->subpath);
    if (const auto& memory = mount.tmpfs_options) {
        if (memory->size_bytes != 0) put("tmpfs-size", std::to_string(memory->size_bytes));
        if (memory->mode != 0) put("tmpfs-mode", fmt::format("{:o}", memory->mode));
    }
    return csv(fields);
}

void add_mounts(Writer& out, const api::ContainerInspect& container,
                const api::ContainerConfig& image) {
    const api::HostConfig& host = container.host_config;
    out.list("volume", host.binds);
    for (const std::string& target : container.config.volumes) {
        const auto ends_there = [&](const std::string& bind) {
            return bind.find(":" + target) != std::string::npos;
        };
        if (!image.volumes.contains(target) &&
            std::none_of(host.binds.begin(), host.binds.end(), ends_there))
            out.add("volume", target);
    }
    for (const api::Mount& mount : host.mounts) out.add("mount", mount_text(mount));
    for (const auto& [target, options] : host.tmpfs)
        out.add("tmpfs", options.empty() ? target : target + ":" + options);
    out.list("volumes-from", host.volumes_from);
    out.text("volume-driver", host.volume_driver);
    for (const api::SecretUse& use : host.secrets) {
        std::vector<std::string> fields = {"source=" + use.source};
        if (!use.target.empty()) fields.push_back("target=" + use.target);
        if (!use.env.empty()) fields.push_back("env=" + use.env);
        if (use.uid) fields.push_back(fmt::format("uid={}", *use.uid));
        if (use.gid) fields.push_back(fmt::format("gid={}", *use.gid));
        if (use.mode) fields.push_back(fmt::format("mode={:04o}", *use.mode));
        out.add("secret", csv(fields));
    }
}

void add_security(Writer& out, const api::HostConfig& host) {
    out.toggle("privileged", host.privileged);
    out.list("cap-add", host.cap_add);
    out.list("cap-drop", host.cap_drop);
    for (const std::string& option : host.security_opt) {
        constexpr std::string_view profile = "seccomp={";
        if (option.starts_with(profile))
            out.leave_out("the seccomp profile: write it to a file for --security-opt");
        else
            out.add("security-opt", option);
    }
    if (!host.privileged && !host.masked_paths.is_null() && host.masked_paths.empty())
        out.add("security-opt", "systempaths=unconfined");
    out.toggle("read-only", host.readonly_rootfs);
    out.list("group-add", host.group_add);
    out.text("ipc", host.ipc_mode, "private");
    out.text("pid", host.pid_mode);
    out.text("uts", host.uts_mode);
    out.text("userns", host.userns_mode);
    out.text("cgroupns", host.cgroupns_mode);
}

void add_devices(Writer& out, const api::HostConfig& host) {
    for (const api::DeviceMapping& device : host.devices)
        out.add("device", fmt::format("{}:{}:{}", device.path_on_host, device.path_in_container,
                                      device.cgroup_permissions));
    for (const api::DeviceRequest& request : host.device_requests) {
        if (request.driver == "cdi")
            out.list("device", request.device_ids);
        else
            out.leave_out("a device request of the driver '" + request.driver + "'");
    }
    out.list("device-cgroup-rule", host.device_cgroup_rules);
    const std::pair<const char*, const api::Nullable<std::vector<api::ThrottleDevice>>&> limits[] =
        {{"device-read-bps", host.blkio_device_read_bps},
         {"device-write-bps", host.blkio_device_write_bps},
         {"device-read-iops", host.blkio_device_read_iops},
         {"device-write-iops", host.blkio_device_write_iops}};
    for (const auto& [flag, devices] : limits)
        for (const api::ThrottleDevice& device : devices)
            out.add(flag, fmt::format("{}:{}", device.path, device.rate));
    for (const api::WeightDevice& device : host.blkio_weight_device)
        out.add("blkio-weight-device", fmt::format("{}:{}", device.path, device.weight));
}

void add_limits(Writer& out, const api::HostConfig& host) {
    out.number("memory", host.memory);
    out.number("memory-reservation", host.memory_reservation);
    out.number("memory-swap", host.memory_swap);
    if (host.memory_swappiness) out.number("memory-swappiness", *host.memory_swappiness, -1);
    out.toggle("oom-kill-disable", host.oom_kill_disable.value_or(false));
    out.number("oom-score-adj", host.oom_score_adj);
    if (host.pids_limit) out.number("pids-limit", *host.pids_limit);
    if (host.nano_cpus != 0)
        out.add("cpus", fmt::format("{}.{:09}", host.nano_cpus / 1'000'000'000,
                                    host.nano_cpus % 1'000'000'000));
    out.number("cpu-shares", host.cpu_shares);
    out.number("cpu-period", host.cpu_period);
    out.number("cpu-quota", host.cpu_quota);
    out.number("cpu-rt-period", host.cpu_realtime_period);
    out.number("cpu-rt-runtime", host.cpu_realtime_runtime);
    out.text("cpuset-cpus", host.cpuset_cpus);
    out.text("cpuset-mems", host.cpuset_mems);
    out.number("blkio-weight", host.blkio_weight);
    out.text("cgroup-parent", host.cgroup_parent);
    out.number("shm-size", host.shm_size, default_shm_bytes);
    for (const api::Ulimit& limit : host.ulimits)
        out.add("ulimit", fmt::format("{}={}:{}", limit.name, limit.soft, limit.hard));
}

void add_rest(Writer& out, const api::HostConfig& host, const RecipeDefaults& defaults) {
    out.toggle("rm", host.auto_remove);
    const api::RestartPolicy& policy = host.restart_policy;
    out.text("restart",
             policy.maximum_retry_count == 0
                 ? policy.name
                 : fmt::format("{}:{}", policy.name, policy.maximum_retry_count),
             "no");
    // The default one is shown as json-file, which every client can read.
    const bool is_default_log =
        host.log_config.config.empty() &&
        (host.log_config.type == defaults.log_driver ||
         (host.log_config.type == "json-file" && defaults.log_driver == "local"));
    if (!is_default_log) out.text("log-driver", host.log_config.type);
    out.map("log-opt", host.log_config.config);
    out.map("annotation", host.annotations);
    out.list("dns", host.dns);
    out.list("dns-option", host.dns_options);
    out.list("dns-search", host.dns_search);
    out.list("add-host", host.extra_hosts);
    out.list("link", host.links);
    out.map("storage-opt", host.storage_opt);
    out.map("sysctl", host.sysctls);
    out.text("runtime", host.runtime, defaults.runtime);
    if (host.init) out.toggle("init", *host.init);
    if (host.init && !*host.init) out.add("init", "false");
}

/// Splits entrypoint and arguments as `run` takes them.
void set_command(Recipe& recipe, Writer& out, const api::ContainerConfig& config,
                 const api::ContainerConfig& image) {
    const bool has_own_entrypoint = config.entrypoint != image.entrypoint;
    if (has_own_entrypoint) {
        out.add("entrypoint", config.entrypoint.empty() ? "" : config.entrypoint.front());
        if (config.entrypoint.size() > 1) {
            recipe.command.assign(config.entrypoint.begin() + 1, config.entrypoint.end());
            out.leave_out("the other words of the entrypoint: they are arguments");
        }
    }
    if (has_own_entrypoint || config.cmd != image.cmd)
        recipe.command.insert(recipe.command.end(), config.cmd.begin(), config.cmd.end());
}

std::string shell_quote(const std::string& text) {
    constexpr std::string_view plain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%^";
    if (!text.empty() && text.find_first_not_of(plain) == std::string::npos) return text;
    std::string quoted = "'";
    for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return quoted + "'";
}

std::string shell_words(const api::Strings& words, std::size_t first) {
    std::string text;
    for (std::size_t i = first; i < words.size(); ++i)
        text += (i == first ? "" : " ") + shell_quote(words[i]);
    return text;
}

}  // namespace

Recipe make_recipe(const api::ContainerInspect& container, const api::ImageInspect& image,
                   const RecipeDefaults& defaults) {
    Recipe recipe;
    Writer out(recipe);
    recipe.image = container.config.image;
    add_process(out, container, image.config);
    add_health(out, container.config, image.config);
    add_ports(out, container.host_config);
    add_networks(out, container);
    add_mounts(out, container, image.config);
    add_security(out, container.host_config);
    add_devices(out, container.host_config);
    add_limits(out, container.host_config);
    add_rest(out, container.host_config, defaults);
    set_command(recipe, out, container.config, image.config);
    return recipe;
}

std::string format_run(const Recipe& recipe, std::string_view program) {
    std::string text;
    for (const std::string& missing : recipe.left_out) text += "# not the same: " + missing + "\n";
    text += std::string(program) + " run";
    for (const Recipe::Item& item : recipe.items) {
        const bool has_value = !item.is_switch;
        // A switch takes its value behind "=" only.
        const bool joined = item.flag == "init";
        text += fmt::format(" \\\n    --{}", item.flag);
        if (has_value) text += (joined ? "=" : " ") + shell_quote(item.value);
    }
    text += " \\\n    " + shell_quote(recipe.image);
    for (const std::string& word : recipe.command) text += " " + shell_quote(word);
    return text + "\n";
}

}  // namespace hull::cli
