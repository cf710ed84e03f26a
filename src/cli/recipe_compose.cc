#include "base/json.hh"
#include "base/text.hh"
#include "cli/recipe.hh"
#include "cli/words.hh"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <map>

namespace hull::cli {
namespace {

enum class Shape { none, text, number, yes, list, duration, health, log_option, ulimit, other };

/// The key of a service that says what a flag of `run` does.
struct Key {
    std::string_view flag, key;
    Shape shape = Shape::text;
};
constexpr Key keys[] = {
    {"add-host", "extra_hosts", Shape::list},
    {"annotation", "annotations", Shape::list},
    {"cap-add", "cap_add", Shape::list},
    {"cap-drop", "cap_drop", Shape::list},
    {"cgroup-parent", "cgroup_parent"},
    {"cgroupns", "cgroup"},
    {"cpu-period", "cpu_period"},
    {"cpu-quota", "cpu_quota"},
    {"cpu-rt-period", "cpu_rt_period"},
    {"cpu-rt-runtime", "cpu_rt_runtime"},
    {"cpu-shares", "cpu_shares", Shape::number},
    {"cpus", "cpus", Shape::number},
    {"cpuset-cpus", "cpuset"},
    {"detach", "", Shape::none},
    {"device", "devices", Shape::list},
    {"device-cgroup-rule", "device_cgroup_rules", Shape::list},
    {"dns", "dns", Shape::list},
    {"dns-option", "dns_opt", Shape::list},
    {"dns-search", "dns_search", Shape::list},
    {"domainname", "domainname"},
    {"env", "environment", Shape::list},
    {"expose", "expose", Shape::list},
    {"group-add", "group_add", Shape::list},
    {"health-cmd", "test", Shape::health},
    {"health-file", "test", Shape::health},
    {"health-http", "test", Shape::health},
    {"health-interval", "interval", Shape::health},
    {"health-retries", "retries", Shape::health},
    {"health-start-interval", "start_interval", Shape::health},
    {"health-start-period", "start_period", Shape::health},
    {"health-tcp", "test", Shape::health},
    {"health-timeout", "timeout", Shape::health},
    {"hostname", "hostname"},
    {"init", "init", Shape::yes},
    {"interactive", "stdin_open", Shape::yes},
    {"ipc", "ipc"},
    {"label", "labels", Shape::list},
    {"link", "links", Shape::list},
    {"log-driver", "driver", Shape::log_option},
    {"log-opt", "options", Shape::log_option},
    {"mac-address", "mac_address"},
    {"memory", "mem_limit"},
    {"memory-reservation", "mem_reservation"},
    {"memory-swap", "memswap_limit"},
    {"memory-swappiness", "mem_swappiness", Shape::number},
    {"mount", "volumes", Shape::other},
    {"name", "container_name"},
    {"network", "network_mode", Shape::other},
    {"no-healthcheck", "disable", Shape::health},
    {"oom-kill-disable", "oom_kill_disable", Shape::yes},
    {"oom-score-adj", "oom_score_adj", Shape::number},
    {"pid", "pid"},
    {"pids-limit", "pids_limit", Shape::number},
    {"privileged", "privileged", Shape::yes},
    {"publish", "ports", Shape::list},
    {"read-only", "read_only", Shape::yes},
    {"restart", "restart"},
    {"runtime", "runtime"},
    {"security-opt", "security_opt", Shape::list},
    {"shm-size", "shm_size"},
    {"stop-signal", "stop_signal"},
    {"stop-timeout", "stop_grace_period", Shape::duration},
    {"sysctl", "sysctls", Shape::list},
    {"tmpfs", "tmpfs", Shape::list},
    {"tty", "tty", Shape::yes},
    {"ulimit", "ulimits", Shape::ulimit},
    {"user", "user"},
    {"userns", "userns_mode"},
    {"uts", "uts"},
    {"volume", "volumes", Shape::list},
    {"volumes-from", "volumes_from", Shape::list},
    {"workdir", "working_dir"},
};

/// A scalar that YAML and Compose's interpolation leave alone.
std::string scalar(std::string_view text) {
    std::string doubled;
    for (const char c : text) doubled += c == '$' ? std::string("$$") : std::string(1, c);
    return json::dump(json::Value(doubled));
}

/// The file: keys of the service in the order they came, each with its lines.
class File {
public:
    void line(const std::string& key, std::string text) {
        auto found = std::find_if(blocks_.begin(), blocks_.end(),
                                  [&](const Block& block) { return block.key == key; });
        if (found == blocks_.end()) {
            blocks_.push_back({key, "", {}});
            found = std::prev(blocks_.end());
        }
        found->lines.push_back(std::move(text));
    }
    void value(const std::string& key, std::string text) {
        blocks_.push_back({key, std::move(text), {}});
    }
    void log_option(const std::string& text) { log_options_.push_back(text); }
    void network(const std::string& name) { networks_.push_back(name); }
    void volume(const std::string& name) {
        if (std::find(volumes_.begin(), volumes_.end(), name) == volumes_.end())
            volumes_.push_back(name);
    }

    std::string text(const std::string& service) const {
        std::string result = fmt::format("services:\n  {}:\n", service);
        for (const Block& block : blocks_) {
            result += fmt::format("    {}:{}{}\n", block.key, block.value.empty() ? "" : " ",
                                  block.value);
            for (const std::string& each : block.lines) result += "      " + each + "\n";
            if (block.key == "logging" && !log_options_.empty())
                result += "      options: {" + join_text(log_options_, ", ") + "}\n";
        }
        // They are there already: a project does not make or remove them.
        const auto external = [&](const char* kind, const std::vector<std::string>& names) {
            if (names.empty()) return;
            result += fmt::format("{}:\n", kind);
            for (const std::string& name : names)
                result += fmt::format("  {}:\n    name: {}\n    external: true\n", scalar(name),
                                      scalar(name));
        };
        external("networks", networks_);
        external("volumes", volumes_);
        return result;
    }

private:
    struct Block {
        std::string key, value;
        std::vector<std::string> lines;
    };
    std::vector<Block> blocks_;
    std::vector<std::string> networks_, volumes_, log_options_;
};

bool is_volume_name(std::string_view source) {
    return !source.empty() && source.find('/') == std::string_view::npos;
}

/// "name=web,alias=a": the network and what it is told.
void add_network(File& file, const std::string& text, std::vector<std::string>& left_out) {
    const std::vector<std::string> fields = split_csv(text);
    if (fields.size() == 1 && !fields[0].starts_with("name=")) {
        const bool is_mode =
            text == "host" || text == "none" || text == "bridge" || text.starts_with("container:");
        if (is_mode) return file.value("network_mode", scalar(text));
        file.line("networks", scalar(text) + ": {}");
        return file.network(text);
    }
    std::string name;
    std::vector<std::string> aliases, options;
    for (const std::string& field : fields) {
        const auto [key, value] = cut(field, '=');
        if (key == "name") name = value.value_or("");
        if (key == "alias") aliases.push_back(scalar(value.value_or("")));
        if (key == "ip") options.push_back("ipv4_address: " + scalar(value.value_or("")));
        if (key == "ip6") options.push_back("ipv6_address: " + scalar(value.value_or("")));
        if (key == "gw-priority") options.push_back(fmt::format("gw_priority: {}", *value));
        if (key == "driver-opt" || key == "link-local-ip") left_out.push_back("network " + field);
    }
    file.line("networks", scalar(name) + ":");
    file.network(name);
    if (!aliases.empty()) options.push_back("aliases: [" + join_text(aliases, ", ") + "]");
    for (const std::string& option : options) file.line("networks", "  " + option);
    if (options.empty()) file.line("networks", "  {}");
}

void add_mount(File& file, const std::string& text, std::vector<std::string>& left_out) {
    const std::map<std::string_view, std::pair<std::string_view, std::string_view>> nested = {
        {"bind-propagation", {"bind", "propagation"}},
        {"volume-subpath", {"volume", "subpath"}},
        {"tmpfs-size", {"tmpfs", "size"}},
        {"image-subpath", {"image", "subpath"}},
    };
    std::map<std::string, std::vector<std::string>> groups;
    bool is_first = true;
    const auto put = [&](const std::string& line) {
        file.line("volumes", (is_first ? "- " : "  ") + line);
        is_first = false;
    };
    bool is_volume = false;
    for (const std::string& field : split_csv(text)) {
        const auto [key, value] = cut(field, '=');
        if (key == "type") is_volume = value == "volume";
        if (key == "source" && is_volume) file.volume(std::string(*value));
        if (key == "type" || key == "source" || key == "target" || key == "consistency")
            put(fmt::format("{}: {}", key, scalar(value.value_or(""))));
        else if (key == "readonly")
            put("read_only: true");
        else if (key == "volume-nocopy")
            groups["volume"].push_back("nocopy: true");
        else if (key == "bind-create-src")
            groups["bind"].push_back("create_host_path: true");
        else if (key == "tmpfs-mode")
            groups["tmpfs"].push_back(fmt::format("mode: 0{}", *value));
        else if (const auto found = nested.find(key); found != nested.end())
            groups[std::string(found->second.first)].push_back(
                fmt::format("{}: {}", found->second.second, scalar(value.value_or(""))));
        else
            left_out.push_back("mount " + field);
    }
    for (const auto& [group, lines] : groups) {
        put(group + ":");
        for (const std::string& line : lines) put("  " + line);
    }
}

void add_health(File& file, const Recipe::Item& item, std::string_view key) {
    std::string value = scalar(item.value);
    if (item.flag == "health-http") value = "[\"HTTP\", " + value + "]";
    if (item.flag == "health-tcp") value = "[\"TCP\", " + value + "]";
    if (item.flag == "health-file") value = "[\"FILE\", " + value + "]";
    if (item.flag == "health-cmd") value = "[\"CMD-SHELL\", " + value + "]";
    if (item.flag == "health-retries") value = item.value;
    if (item.is_switch) value = "true";
    file.line("healthcheck", fmt::format("{}: {}", key, value));
}

void add_item(File& file, const Recipe::Item& item, const Key& key,
              std::vector<std::string>& left_out) {
    const std::string name(key.key);
    switch (key.shape) {
        case Shape::none: return;
        case Shape::text: return file.value(name, scalar(item.value));
        case Shape::number: return file.value(name, item.value);
        case Shape::yes: return file.value(name, item.is_switch ? "true" : item.value);
        case Shape::duration: return file.value(name, scalar(item.value + "s"));
        case Shape::health: return add_health(file, item, key.key);
        case Shape::list: break;
        case Shape::log_option: {
            const auto [option, value] = cut(item.value, '=');
            if (item.flag == "log-driver")
                return file.line("logging", "driver: " + scalar(item.value));
            return file.log_option(
                fmt::format("{}: {}", scalar(option), scalar(value.value_or(""))));
        }
        case Shape::ulimit: {
            const auto [limit, values] = cut(item.value, '=');
            const auto [soft, hard] = cut(values.value_or(""), ':');
            return file.line(
                name, fmt::format("{}: {{soft: {}, hard: {}}}", limit, soft, hard.value_or(soft)));
        }
        case Shape::other:
            if (item.flag == "mount") return add_mount(file, item.value, left_out);
            return add_network(file, item.value, left_out);
    }
    std::string value = item.value;
    if (item.flag == "volume")
        if (const std::string source = value.substr(0, value.find(':')); is_volume_name(source))
            file.volume(source);
    if (item.flag == "volumes-from") value = "container:" + value;
    file.line(name, "- " + scalar(value));
}

}  // namespace

std::string format_compose(const Recipe& recipe) {
    File file;
    std::string service = "app";
    std::vector<std::string> left_out = recipe.left_out;
    file.value("image", scalar(recipe.image));
    for (const Recipe::Item& item : recipe.items) {
        if (item.flag == "name") service = item.value;
        if (item.flag == "entrypoint") {
            file.value("entrypoint", item.value.empty() ? "[]" : "[" + scalar(item.value) + "]");
            continue;
        }
        const Key* const key = std::find_if(std::begin(keys), std::end(keys), [&](const Key& each) {
            return each.flag == item.flag;
        });
        if (key == std::end(keys))
            left_out.push_back(
                fmt::format("--{}{}{}", item.flag, item.is_switch ? "" : " ", item.value));
        else
            add_item(file, item, *key, left_out);
    }
    if (!recipe.command.empty()) {
        std::vector<std::string> words;
        for (const std::string& word : recipe.command) words.push_back(scalar(word));
        file.value("command", "[" + join_text(words, ", ") + "]");
    }
    // Compose has lower case, digits, "-" and "_" in names of services.
    for (char& c : service)
        if (c == '.') c = '-';
    std::string text;
    for (const std::string& missing : left_out) text += "# not the same: " + missing + "\n";
    return text + file.text(lower(service));
}

}  // namespace hull::cli
