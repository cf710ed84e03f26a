#include "cli/values.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/json.hh"

#include <algorithm>
#include <cstdlib>

namespace hull::cli {

std::pair<std::string, std::string> parse_filter(std::string_view text) {
    const auto [name, value] = cut(text, '=');
    if (!value) fail("bad format of filter (expected name=value)");
    return {lower(trim(name)), std::string(trim(*value))};
}

std::map<std::string, std::vector<std::string>> make_filters(
    const std::vector<std::string>& filters) {
    std::map<std::string, std::vector<std::string>> result;
    for (const std::string& filter : filters) {
        auto [name, value] = parse_filter(filter);
        result[name].push_back(std::move(value));
    }
    return result;
}

api::Ulimit parse_ulimit(std::string_view text) {
    const auto [name, limits] = cut(text, '=');
    if (!limits) fail("invalid ulimit argument: {}", text);
    constexpr std::string_view names[] = {"core",    "cpu",      "data",   "fsize",      "locks",
                                          "memlock", "msgqueue", "nice",   "nofile",     "nproc",
                                          "rss",     "rtprio",   "rttime", "sigpending", "stack"};
    if (std::find(std::begin(names), std::end(names), name) == std::end(names))
        fail("invalid ulimit type: {}", name);
    const std::vector<std::string> parts = split(*limits, ':');
    if (parts.size() > 2)
        fail("too many limit value arguments - {}, can only have up to two, `soft[:hard]`",
             *limits);
    api::Ulimit limit;
    limit.name = name;
    if (parts.size() == 2) limit.hard = parse_integer(parts[1]);
    limit.soft = parse_integer(parts[0]);
    if (parts.size() == 1) limit.hard = limit.soft;
    if (limit.hard != -1 && limit.soft == -1)
        fail(
            "ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), "
            "hard: {}",
            limit.hard);
    if (limit.hard != -1 && limit.soft > limit.hard)
        fail("ulimit soft limit must be less than or equal to hard limit: {} > {}", limit.soft,
             limit.hard);
    return limit;
}

api::RestartPolicy parse_restart_policy(std::string_view text) {
    api::RestartPolicy policy;
    const auto [name, count] = cut(text, ':');
    if (name.empty() && count)
        fail("invalid restart policy format: no policy provided before colon");
    policy.name = name;
    if (count) {
        if (count->find(':') != std::string_view::npos)
            fail("invalid restart policy format: maximum retry count must be an integer");
        try {
            policy.maximum_retry_count = parse_integer(*count);
        } catch (const Error&) {
            fail("invalid restart policy format: maximum retry count must be an integer");
        }
    }
    return policy;
}

std::optional<std::string> resolve_environment(std::string_view text) {
    if (text.find('=') != std::string_view::npos) return std::string(text);
    const char* value = ::getenv(std::string(text).c_str());
    if (!value) return std::nullopt;
    return fmt::format("{}={}", text, value);
}

namespace {

std::vector<std::string> read_key_value_file(const std::string& path, bool look_up) {
    const std::optional<std::string> content = find_file(path);
    if (!content) fail("open {}: no such file or directory", path);
    std::vector<std::string> result;
    std::string_view rest = *content;
    if (rest.starts_with("\xef\xbb\xbf")) rest.remove_prefix(3);
    while (!rest.empty()) {
        const std::size_t end = rest.find('\n');
        std::string_view line = rest.substr(0, end);
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        if (line.ends_with('\r')) line.remove_suffix(1);
        const std::size_t start = line.find_first_not_of(" \t");
        line = start == std::string_view::npos ? std::string_view() : line.substr(start);
        if (line.empty() || line[0] == '#') continue;
        const auto [name, value] = cut(line, '=');
        if (name.find_first_of(" \t") != std::string_view::npos)
            fail("poorly formatted environment: variable '{}' contains whitespaces", name);
        if (name.empty()) fail("poorly formatted environment: no variable name on line '{}'", line);
        if (value || !look_up)
            result.emplace_back(line);
        else if (std::optional<std::string> resolved = resolve_environment(name))
            result.push_back(std::move(*resolved));
    }
    return result;
}

}  // namespace

std::vector<std::string> read_env_file(const std::string& path) {
    return read_key_value_file(path, true);
}
std::vector<std::string> read_label_file(const std::string& path) {
    return read_key_value_file(path, false);
}

std::string platform_json(std::string_view text) {
    const std::vector<std::string> parts = split(text, '/');
    if (parts.size() > 3 || parts[0].empty())
        fail("invalid platform \"{}\": use os[/architecture[/variant]], such as linux/arm64", text);
    json::Object platform{{"os", lower(parts[0])}};
    if (parts.size() > 1) platform.append("architecture", lower(parts[1]));
    if (parts.size() > 2) platform.append("variant", lower(parts[2]));
    return json::dump(platform);
}

api::StringMap make_string_map(const std::vector<std::string>& items) {
    api::StringMap map = api::StringMap::none();
    for (const std::string& item : items) {
        const auto [name, value] = cut(item, '=');
        map[std::string(name)] = value.value_or("");
    }
    return map;
}

void check_attach(std::string_view text) {
    const std::string name = lower(text);
    if (name != "stdin" && name != "stdout" && name != "stderr")
        fail("valid streams are STDIN, STDOUT and STDERR");
}
void check_environment(std::string_view text) {
    if (text.empty() || text[0] == '=') fail("invalid environment variable: {}", text);
}
void check_label(std::string_view text) {
    if (text.empty() || text[0] == '=') fail("invalid label '{}': empty name", text);
}
void check_extra_host(std::string_view text) { parse_extra_host(text); }
void check_ip(std::string_view text) {
    if (!is_ip(trim(text))) fail("IP address is not correctly formatted: {}", text);
}
void check_throttle_bytes(std::string_view text) { parse_throttle_bytes(text); }
void check_throttle_iops(std::string_view text) { parse_throttle_iops(text); }
void check_weight_device(std::string_view text) { parse_weight_device(text); }
void check_sysctl(std::string_view text) {
    const auto [name, value] = cut(text, '=');
    if (!value || name.empty()) fail("invalid sysctl option: {}", text);
}

}  // namespace hull::cli
