#include "compose/request.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/text.hh"
#include "compose/definitions.hh"
#include "compose/docker_hash.hh"
#include "compose/hash.hh"
#include "compose/labels.hh"
#include "compose/values.hh"

#include <algorithm>
#include <atomic>
#include <cmath>

namespace hull::compose {
namespace {

std::atomic<char> name_separator = '-';

std::int64_t bytes_of(const Node& node) {
    return node.is_null() ? 0 : parse_size(node.to_text()).value_or(0);
}
double number_of(const Node& node) {
    return node.kind == Kind::real ? node.real : static_cast<double>(node.integer);
}
std::int64_t nanoseconds_of(const Node& node) {
    return node.is_null() ? 0 : parse_duration(node.text).value_or(0);
}
std::int64_t octal_of(const Node& node) { return std::strtol(node.text.c_str(), nullptr, 8); }

std::map<std::string, std::string> strings_of(const Node& mapping) {
    std::map<std::string, std::string> result;
    for (const Member& member : mapping.members) result[member.key] = member.value.to_text();
    return result;
}

api::Strings list_of(const Node& node) {
    api::Strings result;
    for (std::string& text : node.to_texts()) result.push_back(std::move(text));
    if (node.is_sequence()) result.null_when_empty = false;
    return result;
}

class Builder {
public:
    Builder(const Project& project, const std::string& name, const Node& service,
            const ContainerPlace& place)
        : project_(project),
          name_(name),
          service_(service),
          place_(place),
          config_(result_.request.config),
          host_(result_.request.host_config) {}

    ContainerRequest build() {
        if (service_.find("provider"))
            throw Error(ErrorKind::unsupported,
                        "service \"{}\" has a provider and no containers: up runs it", name_);
        process();
        labels();
        health();
        resources();
        security();
        ports();
        mounts();
        files("secrets", "/run/secrets/");
        files("configs", "/");
        modes();
        networks();
        return std::move(result_);
    }

private:
    void process() {
        config_.image = image_of(project_, name_);
        config_.hostname = service_["hostname"].text;
        config_.domainname = service_["domainname"].text;
        config_.user = service_["user"].text;
        config_.working_dir = service_["working_dir"].text;
        config_.tty = service_["tty"].is_true();
        config_.open_stdin = service_["stdin_open"].is_true();
        config_.stop_signal = service_["stop_signal"].text;
        config_.cmd = list_of(service_["command"]);
        config_.entrypoint = list_of(service_["entrypoint"]);
        std::map<std::string, std::string> environment;
        for (const Member& member : service_["environment"].members)
            if (!member.value.is_null()) environment[member.key] = member.value.to_text();
        for (const auto& [key, value] : environment) config_.env.push_back(key + "=" + value);
        if (const Node* grace = service_.find("stop_grace_period"))
            config_.stop_timeout = (nanoseconds_of(*grace) + 999'999'999) / 1'000'000'000;
        if (const Node* init = service_.find("init")) host_.init = init->is_true();
        if (place_.one_off) {
            host_.auto_remove = place_.auto_remove;
            config_.attach_stdin = config_.stdin_once = place_.attach_stdin;
            config_.attach_stdout = config_.attach_stderr = place_.attach_output;
        }
        for (const auto& [key, value] : strings_of(service_["annotations"]))
            host_.annotations[key] = value;
        host_.runtime = service_["runtime"].text;
        host_.log_config.type = service_["logging"]["driver"].text;
        for (const auto& [key, value] : strings_of(service_["logging"]["options"]))
            host_.log_config.config[key] = value;
        restart();
    }

    void restart() {
        if (place_.one_off) return;
        std::string_view name = service_["restart"].text;
        if (name.starts_with("on-failure:")) {
            host_.restart_policy.maximum_retry_count = parse_integer(name.substr(11)).value_or(0);
            name = "on-failure";
        }
        host_.restart_policy.name = name;
        const Node& policy = service_["deploy"]["restart_policy"];
        for (const char* key : {"delay", "window"})
            if (policy.find(key))
                result_.warnings.push_back(fmt::format(
                    "service \"{}\": deploy.restart_policy.{} is not used: the daemon waits longer "
                    "after each restart by itself",
                    name_, key));
        if (!name.empty() || policy.is_null()) return;
        const std::string& condition = policy["condition"].text;
        host_.restart_policy.name = condition == "none"                       ? "no"
                                    : condition == "any" || condition.empty() ? "always"
                                                                              : condition;
        if (host_.restart_policy.name == "on-failure")
            host_.restart_policy.maximum_retry_count = policy["max_attempts"].integer;
    }

    void labels() {
        for (const auto& [key, value] : strings_of(service_["labels"])) config_.labels[key] = value;
        const Node config = full_config(project_, service_);
        const auto set = [&](const char* key, const std::string& value) {
            config_.labels[key] = value;
        };
        set(labels::project, project_.name);
        set(labels::service, name_);
        set(labels::version, HULL_VERSION);
        set(labels::working_dir, project_.directory);
        set(labels::config_files, join_words(project_.files, ","));
        if (!project_.env_files.empty())
            set(labels::environment_file, join_words(project_.env_files, ","));
        set(labels::config_hash,
            docker_service_hash(service_, place_.container_of, place_.hash_version));
        set(labels::one_off, place_.one_off ? "True" : "False");
        if (!place_.one_off) set(labels::number, std::to_string(place_.number));
        if (place_.one_off) set(labels::slug, random_hex(32));
        set(labels::image, place_.image_id);
        set(labels::depends_on, dependencies());
        if (!place_.replaces.empty()) set(labels::replace, place_.replaces);
        set(labels::config, json::dump(to_sorted_json(config)));
    }

    std::string dependencies() const {
        std::vector<std::string> parts;
        for (const Member& member : service_["depends_on"].members)
            parts.push_back(fmt::format("{}:{}:{}", member.key, member.value["condition"].text,
                                        member.value["restart"].is_true()));
        return join_words(parts, ",");
    }

    void health() {
        const Node& check = service_["healthcheck"];
        if (!check.is_mapping()) return;
        api::HealthConfig health;
        health.test = list_of(check["test"]);
        if (check["disable"].is_true())
            health.test = api::Strings(std::vector<std::string>{"NONE"});
        health.interval = nanoseconds_of(check["interval"]);
        health.timeout = nanoseconds_of(check["timeout"]);
        health.start_period = nanoseconds_of(check["start_period"]);
        health.start_interval = nanoseconds_of(check["start_interval"]);
        health.retries = check["retries"].integer;
        config_.healthcheck = std::move(health);
    }

    void resources() {
        const Node& limits = service_["deploy"]["resources"]["limits"];
        const Node& reservations = service_["deploy"]["resources"]["reservations"];
        const double cpus = number_of(limits.find("cpus") ? limits["cpus"] : service_["cpus"]);
        host_.nano_cpus = static_cast<std::int64_t>(std::llround(cpus * 1e9));
        host_.memory = bytes_of(limits.find("memory") ? limits["memory"] : service_["mem_limit"]);
        host_.memory_reservation = bytes_of(
            reservations.find("memory") ? reservations["memory"] : service_["mem_reservation"]);
        host_.memory_swap = bytes_of(service_["memswap_limit"]);
        if (const Node* value = service_.find("mem_swappiness"))
            host_.memory_swappiness = value->integer;
        if (service_["oom_kill_disable"].is_true()) host_.oom_kill_disable = true;
        host_.oom_score_adj = service_["oom_score_adj"].integer;
        if (const Node* value = limits.find("pids")) host_.pids_limit = value->integer;
        if (const Node* value = service_.find("pids_limit")) host_.pids_limit = value->integer;
        host_.cpu_shares = service_["cpu_shares"].integer;
        host_.cpu_period = service_["cpu_period"].integer;
        host_.cpu_quota = service_["cpu_quota"].integer;
        host_.cpu_realtime_period = service_["cpu_rt_period"].integer;
        host_.cpu_realtime_runtime = service_["cpu_rt_runtime"].integer;
        host_.cpu_count = service_["cpu_count"].integer;
        host_.cpu_percent = static_cast<std::int64_t>(number_of(service_["cpu_percent"]));
        host_.cpuset_cpus = service_["cpuset"].text;
        host_.cgroup_parent = service_["cgroup_parent"].text;
        host_.cgroupns_mode = service_["cgroup"].text;
        host_.shm_size = bytes_of(service_["shm_size"]);
        for (const auto& [key, value] : strings_of(service_["storage_opt"]))
            host_.storage_opt[key] = value;
        for (const Member& member : service_["ulimits"].members) {
            const Node& limit = member.value;
            const bool single = limit.kind == Kind::integer;
            host_.ulimits.push_back({member.key, single ? limit.integer : limit["hard"].integer,
                                     single ? limit.integer : limit["soft"].integer});
        }
        block_io();
        device_requests(service_["gpus"], true);
        device_requests(reservations["devices"], false);
    }

    void block_io() {
        const Node& block = service_["blkio_config"];
        host_.blkio_weight = block["weight"].integer;
        for (const Node& item : block["weight_device"].items)
            host_.blkio_weight_device.push_back({item["path"].text, item["weight"].integer});
        const auto throttles =
            [&](const char* key, api::Nullable<std::vector<api::ThrottleDevice>>& list) {
            for (const Node& item : block[key].items)
                list.push_back(
                    {item["path"].text, static_cast<std::uint64_t>(bytes_of(item["rate"]))});
        };
        throttles("device_read_bps", host_.blkio_device_read_bps);
        throttles("device_write_bps", host_.blkio_device_write_bps);
        throttles("device_read_iops", host_.blkio_device_read_iops);
        throttles("device_write_iops", host_.blkio_device_write_iops);
    }

    void device_requests(const Node& list, bool gpus) {
        for (const Node& item : list.items) {
            api::DeviceRequest request;
            request.driver = item["driver"].text;
            request.count = item["count"].integer;
            request.device_ids = list_of(item["device_ids"]);
            std::vector<std::string> capabilities = item["capabilities"].to_texts();
            if (gpus &&
                std::find(capabilities.begin(), capabilities.end(), "gpu") == capabilities.end())
                capabilities.push_back("gpu");
            request.capabilities = {capabilities};
            for (const auto& [key, value] : strings_of(item["options"]))
                request.options[key] = value;
            host_.device_requests.push_back(std::move(request));
        }
    }

    void security() {
        host_.cap_add = list_of(service_["cap_add"]);
        host_.cap_drop = list_of(service_["cap_drop"]);
        host_.privileged = service_["privileged"].is_true();
        host_.readonly_rootfs = service_["read_only"].is_true();
        host_.group_add = list_of(service_["group_add"]);
        host_.userns_mode = service_["userns_mode"].text;
        host_.device_cgroup_rules = list_of(service_["device_cgroup_rules"]);
        for (const std::string& option : service_["security_opt"].to_texts())
            host_.security_opt.push_back(security_option(option));
        for (const auto& [key, value] : strings_of(service_["sysctls"])) host_.sysctls[key] = value;
        for (const Node& device : service_["devices"].items) {
            const std::string& source = device["source"].text;
            if (!source.starts_with('/') && source.find('=') != std::string::npos) {
                api::DeviceRequest request;
                request.driver = "cdi";
                request.device_ids.push_back(source);
                host_.device_requests.push_back(std::move(request));
                continue;
            }
            const Node* target = device.find("target");
            const Node* permissions = device.find("permissions");
            host_.devices.push_back(
                {source, target ? target->text : source, permissions ? permissions->text : "rwm"});
        }
        for (const std::string& line : service_["dns"].to_texts()) host_.dns.push_back(line);
        for (const std::string& line : service_["dns_opt"].to_texts())
            host_.dns_options.push_back(line);
        for (const std::string& line : service_["dns_search"].to_texts())
            host_.dns_search.push_back(line);
        for (std::string line : service_["extra_hosts"].to_texts()) {
            line[line.find('=')] = ':';
            host_.extra_hosts.push_back(std::move(line));
        }
    }

    /// seccomp:FILE and seccomp=FILE name a file of ours; the API wants what is in it.
    std::string security_option(const std::string& option) const {
        std::string text = option;
        const std::size_t at = text.find_first_of(":=");
        if (at == std::string::npos || !text.starts_with("seccomp")) return text;
        const std::string value = text.substr(at + 1);
        if (value == "unconfined" || value == "builtin") return "seccomp=" + value;
        return "seccomp=" +
               json::dump(json::parse(read_file(resolve_path(project_.directory, value))));
    }

    void ports() {
        for (const std::string& port : service_["expose"].to_texts()) {
            const std::string key = port.find('/') == std::string::npos ? port + "/tcp" : port;
            config_.exposed_ports.insert(key);
        }
        for (const Node& port : service_["ports"].items) {
            const std::string key = port["target"].to_text() + "/" + port["protocol"].text;
            config_.exposed_ports.insert(key);
            if (place_.use_ports)
                host_.port_bindings[key].push_back({port["host_ip"].text, port["published"].text});
        }
    }

    void mounts() {
        for (const Node& mount : service_["volumes"].items) add_mount(mount);
        for (const std::string& text : service_["tmpfs"].to_texts()) {
            const std::size_t colon = text.find(':');
            host_.tmpfs[text.substr(0, colon)] =
                colon == std::string::npos ? "" : text.substr(colon + 1);
        }
        if (service_["use_api_socket"].is_true())
            host_.binds.push_back("/var/run/docker.sock:/var/run/docker.sock");
        for (const auto& [target, volume] : place_.kept_volumes) {
            const bool is_there = std::any_of(
                host_.mounts.begin(), host_.mounts.end(),
                [&, wanted = target](const api::Mount& mount) { return mount.target == wanted; });
            if (is_there) continue;
            api::Mount mount;
            mount.type = "volume";
            mount.source = volume;
            mount.target = target;
            host_.mounts.push_back(std::move(mount));
        }
    }

    void add_mount(const Node& node) {
        const std::string& type = node["type"].text;
        const Node& bind = node["bind"];
        const std::string& recursive = bind["recursive"].text;
        if (type == "bind" && bind["create_host_path"].is_true() && recursive.empty()) {
            std::string options = node["read_only"].is_true() ? "ro" : "rw";
            if (!bind["selinux"].text.empty()) options += "," + bind["selinux"].text;
            if (!bind["propagation"].text.empty()) options += "," + bind["propagation"].text;
            host_.binds.push_back(
                fmt::format("{}:{}:{}", node["source"].text, node["target"].text, options));
            return;
        }
        api::Mount mount;
        mount.type = type;
        mount.source = node["source"].text;
        mount.target = node["target"].text;
        mount.read_only = node["read_only"].is_true();
        mount.consistency = node["consistency"].text;
        if (type == "bind") {
            api::BindOptions options;
            options.propagation = bind["propagation"].text;
            options.create_mountpoint = bind["create_host_path"].is_true();
            options.non_recursive = recursive == "disabled";
            options.read_only_non_recursive = recursive == "writable";
            options.read_only_force_recursive = recursive == "readonly";
            mount.bind_options = options;
        } else if (type == "volume") {
            add_volume(mount, node);
        } else if (type == "tmpfs") {
            mount.tmpfs_options = api::TmpfsOptions{
                bytes_of(node["tmpfs"]["size"]), node["tmpfs"]["mode"].integer, {}};
        } else if (type == "image") {
            mount.image_options = api::ImageOptions{node["image"]["subpath"].text};
        } else {
            throw Error(ErrorKind::unsupported,
                        "service \"{}\": mounts of type {} are not supported", name_, type);
        }
        host_.mounts.push_back(std::move(mount));
    }

    void add_volume(api::Mount& mount, const Node& node) const {
        const Node& options = node["volume"];
        api::VolumeOptions volume;
        volume.no_copy = options["nocopy"].is_true();
        volume.subpath = options["subpath"].text;
        for (const auto& [key, value] : strings_of(options["labels"])) volume.labels[key] = value;
        if (mount.source.empty()) {
            const auto kept = place_.kept_volumes.find(mount.target);
            if (kept != place_.kept_volumes.end()) mount.source = kept->second;
        } else {
            mount.source = project_.root["volumes"][mount.source]["name"].text;
        }
        if (volume.no_copy || !volume.subpath.empty() || !volume.labels.empty())
            mount.volume_options = std::move(volume);
    }

    void files(const char* section, std::string_view directory) {
        for (const Node& item : service_[section].items) {
            const std::string& source = item["source"].text;
            const Node& definition = project_.root[section][source];
            std::string target =
                item.find("target") ? item["target"].text : std::string(directory) + source;
            if (!target.starts_with('/')) target = std::string(directory) + target;
            if (definition["external"].is_true())
                throw Error(ErrorKind::unsupported,
                            "service \"{}\": {} {} is external: only Swarm has those, give it a "
                            "file or an environment variable",
                            name_, std::string_view(section) == "secrets" ? "secret" : "config",
                            source);
            if (const Node* file = definition.find("file")) {
                for (const char* key : {"uid", "gid", "mode"})
                    if (item.find(key))
                        result_.warnings.push_back(
                            fmt::format("{} `uid`, `gid` and `mode` are not supported for files, "
                                        "they will be ignored",
                                        section));
                api::Mount mount;
                mount.type = "bind";
                mount.source = file->text;
                mount.target = target;
                mount.read_only = true;
                host_.mounts.push_back(std::move(mount));
                continue;
            }
            InjectedFile injected;
            injected.target = target;
            injected.content = definition["content"].text;
            if (const Node* variable = definition.find("environment")) {
                const auto found = project_.environment.find(variable->text);
                if (found == project_.environment.end())
                    throw Error(ErrorKind::invalid_argument,
                                "{}: environment variable \"{}\" required by {} \"{}\" is not set",
                                to_string(variable->place), variable->text,
                                std::string_view(section) == "secrets" ? "secret" : "config",
                                source);
                injected.content = found->second.value;
            }
            if (const Node* mode = item.find("mode"))
                injected.mode = static_cast<std::uint32_t>(octal_of(*mode));
            injected.uid =
                static_cast<std::uint32_t>(parse_integer(item["uid"].to_text()).value_or(0));
            injected.gid =
                static_cast<std::uint32_t>(parse_integer(item["gid"].to_text()).value_or(0));
            result_.files.push_back(std::move(injected));
        }
    }

    std::string mode(const char* key) const {
        const std::string& text = service_[key].text;
        if (!text.starts_with("service:")) return text;
        return "container:" + place_.container_of(text.substr(8));
    }

    void modes() {
        host_.ipc_mode = mode("ipc");
        host_.pid_mode = mode("pid");
        host_.uts_mode = mode("uts");
        for (const std::string& text : service_["volumes_from"].to_texts()) {
            if (text.starts_with("container:")) {
                host_.volumes_from.push_back(text.substr(10));
                continue;
            }
            const std::size_t colon = text.find(':');
            host_.volumes_from.push_back(place_.container_of(text.substr(0, colon)) +
                                         (colon == std::string::npos ? "" : text.substr(colon)));
        }
    }

    void networks() {
        const std::string network_mode = mode("network_mode");
        if (!network_mode.empty()) {
            host_.network_mode = network_mode;
            for (const std::string& link : service_["external_links"].to_texts())
                host_.links.push_back(link);
            if (network_mode.starts_with("container:") || network_mode == "host")
                config_.exposed_ports.clear();
            if (network_mode.starts_with("container:")) config_.hostname.clear();
            return;
        }
        std::vector<const Member*> order;
        for (const Member& member : service_["networks"].members) order.push_back(&member);
        std::sort(order.begin(), order.end(), [](const Member* a, const Member* b) {
            const std::int64_t left = a->value["priority"].integer,
                               right = b->value["priority"].integer;
            return left != right ? left > right : a->key < b->key;
        });
        for (const Member* member : order) {
            const std::string& name = project_.root["networks"][member->key]["name"].text;
            api::EndpointSettings settings = endpoint(member->value);
            if (member != order.front()) {
                result_.joinings.push_back({name, std::move(settings)});
                continue;
            }
            host_.network_mode = name;
            if (!service_["mac_address"].text.empty())
                config_.mac_address = settings.mac_address = service_["mac_address"].text;
            result_.request.networking_config.endpoints_config[name] = std::move(settings);
        }
        if (order.empty()) host_.network_mode = "none";
    }

    api::EndpointSettings endpoint(const Node& node) const {
        api::EndpointSettings settings;
        settings.aliases.push_back(place_.name);
        if (place_.use_aliases) {
            settings.aliases.push_back(name_);
            for (const std::string& alias : node["aliases"].to_texts())
                settings.aliases.push_back(alias);
        }
        for (const auto& [key, value] : strings_of(node["driver_opts"]))
            settings.driver_opts[key] = value;
        settings.mac_address = node["mac_address"].text;
        settings.gw_priority = node["gw_priority"].integer;
        if (!node["interface_name"].text.empty())
            settings.driver_opts["com.docker.network.endpoint.ifname"] =
                node["interface_name"].text;
        if (node.find("ipv4_address") || node.find("ipv6_address") || node.find("link_local_ips")) {
            api::EndpointIpamConfig ipam;
            ipam.ipv4_address = node["ipv4_address"].text;
            ipam.ipv6_address = node["ipv6_address"].text;
            ipam.link_local_ips = list_of(node["link_local_ips"]);
            settings.ipam_config = std::move(ipam);
        }
        for (const std::string& link : service_["links"].to_texts()) {
            const std::size_t colon = link.find(':');
            const std::string other = link.substr(0, colon);
            for (const std::string& container : place_.names_of(other)) {
                settings.links.push_back(container + ":" + container);
                settings.links.push_back(container + ":" + other);
                if (colon != std::string::npos)
                    settings.links.push_back(container + ":" + link.substr(colon + 1));
            }
        }
        for (const std::string& link : service_["external_links"].to_texts())
            settings.links.push_back(link.find(':') == std::string::npos ? link + ":" + link
                                                                         : link);
        return settings;
    }

    const Project& project_;
    const std::string& name_;
    const Node& service_;
    const ContainerPlace& place_;
    ContainerRequest result_;
    api::ContainerConfig& config_;
    api::HostConfig& host_;
};

}  // namespace

void use_underscores(bool on) { name_separator = on ? '_' : '-'; }

std::string container_name(const Project& project, const std::string& service_name, int number) {
    if (const Node* name = project.get_service(service_name).find("container_name");
        name && !name->text.empty())
        return name->text;
    const char separator = name_separator;
    return fmt::format("{}{}{}{}{}", project.name, separator, service_name, separator, number);
}

std::map<std::string, std::string> resource_labels(const Project& project, const Node& resource) {
    std::map<std::string, std::string> result = strings_of(resource["labels"]);
    result[labels::project] = project.name;
    result[labels::version] = HULL_VERSION;
    result[labels::working_dir] = project.directory;
    return result;
}

ContainerRequest make_container_request(const Project& project, const std::string& service_name,
                                        const Node& service, const ContainerPlace& place) {
    return with_context([&] { return Builder(project, service_name, service, place).build(); },
                        "service {}", service_name);
}

}  // namespace hull::compose
