#include "cli/values.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/time.hh"

#include <arpa/inet.h>
#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <ctime>

namespace hull::cli {
namespace {

template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> text, Args&&... args) {
    throw Error(ErrorKind::invalid_argument, "{}", fmt::format(text, std::forward<Args>(args)...));
}

bool starts_with_any(std::string_view text, std::string_view characters) {
    return !text.empty() && characters.find(text[0]) != std::string_view::npos;
}

/// The two sides of the first `separator`; the right one is absent when there is none.
std::pair<std::string_view, std::optional<std::string_view>> cut(std::string_view text,
                                                                 char separator) {
    const std::size_t at = text.find(separator);
    if (at == std::string_view::npos) return {text, std::nullopt};
    return {text.substr(0, at), text.substr(at + 1)};
}

std::optional<double> find_double(std::string_view text) {
    if (text.empty()) return std::nullopt;
    const std::string copy(text);
    char* end = nullptr;
    const double value = std::strtod(copy.c_str(), &end);
    if (*end || std::isspace(static_cast<unsigned char>(copy[0]))) return std::nullopt;
    return value;
}

std::uint64_t parse_magnitude(std::string_view function, std::string_view text,
                              std::string_view digits, std::uint64_t max) {
    int base = 10;
    if (digits.size() > 1 && digits[0] == '0') {
        const char kind = static_cast<char>(std::tolower(digits[1]));
        base = kind == 'x' ? 16 : kind == 'b' ? 2 : 8;
        digits.remove_prefix(kind == 'x' || kind == 'b' || kind == 'o' ? 2 : 1);
    }
    std::uint64_t value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (digits.empty() || error == std::errc::invalid_argument ||
        end != digits.data() + digits.size())
        fail("strconv.{}: parsing \"{}\": invalid syntax", function, text);
    if (error == std::errc::result_out_of_range || value > max)
        fail("strconv.{}: parsing \"{}\": value out of range", function, text);
    return value;
}

std::string absolute_path(std::string_view path) {
    char directory[PATH_MAX];
    if (!::getcwd(directory, sizeof directory)) return std::string(path);
    std::vector<std::string> parts;
    for (const std::string& part : split(std::string(directory) + "/" + std::string(path), '/')) {
        if (part.empty() || part == ".") continue;
        if (part != "..")
            parts.push_back(part);
        else if (!parts.empty())
            parts.pop_back();
    }
    std::string result;
    for (const std::string& part : parts) result += "/" + part;
    return result.empty() ? "/" : result;
}

bool is_ip(std::string_view text) {
    unsigned char address[16];
    const std::string copy(text);
    return ::inet_pton(AF_INET, copy.c_str(), address) == 1 ||
           ::inet_pton(AF_INET6, copy.c_str(), address) == 1;
}

}  // namespace

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    for (;;) {
        const std::size_t at = text.find(separator);
        parts.emplace_back(text.substr(0, at));
        if (at == std::string_view::npos) return parts;
        text.remove_prefix(at + 1);
    }
}

std::string lower(std::string_view text) {
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    return result;
}

std::string_view trim(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::vector<std::string> split_csv(std::string_view text) {
    std::vector<std::string> fields;
    std::size_t at = 0;
    for (;;) {
        std::string field;
        if (at < text.size() && text[at] == '"') {
            ++at;
            for (;; ++at) {
                if (at >= text.size())
                    fail(
                        "parse error on line 1, column {}: extraneous or missing \" in "
                        "quoted-field",
                        at + 1);
                if (text[at] != '"') {
                    field += text[at];
                } else if (at + 1 < text.size() && text[at + 1] == '"') {
                    field += '"';
                    ++at;
                } else {
                    ++at;
                    break;
                }
            }
            if (at < text.size() && text[at] != ',')
                fail("parse error on line 1, column {}: extraneous or missing \" in quoted-field",
                     at);
        } else {
            while (at < text.size() && text[at] != ',') {
                if (text[at] == '"')
                    fail("parse error on line 1, column {}: bare \" in non-quoted-field", at + 1);
                field += text[at++];
            }
        }
        fields.push_back(std::move(field));
        if (at >= text.size()) return fields;
        ++at;
    }
}

bool parse_bool(std::string_view text) {
    for (std::string_view word : {"1", "t", "T", "TRUE", "true", "True"})
        if (text == word) return true;
    for (std::string_view word : {"0", "f", "F", "FALSE", "false", "False"})
        if (text == word) return false;
    fail("strconv.ParseBool: parsing \"{}\": invalid syntax", text);
}

std::int64_t parse_integer(std::string_view text) {
    const bool negative = !text.empty() && text[0] == '-';
    const std::string_view digits = starts_with_any(text, "+-") ? text.substr(1) : text;
    const std::uint64_t max = static_cast<std::uint64_t>(INT64_MAX) + (negative ? 1 : 0);
    const std::uint64_t magnitude = parse_magnitude("ParseInt", text, digits, max);
    return static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude);
}

std::uint64_t parse_unsigned(std::string_view text, int bits) {
    return parse_magnitude("ParseUint", text, text, bits >= 64 ? UINT64_MAX : (1ULL << bits) - 1);
}

std::int64_t parse_bytes(std::string_view text) {
    const std::size_t last = text.find_last_of("0123456789. ");
    if (last == std::string_view::npos) fail("invalid size: '{}'", text);
    const std::string_view number = text.substr(0, text[last] == ' ' ? last : last + 1);
    const std::string suffix = lower(text.substr(last + 1));
    const std::optional<double> value = find_double(number);
    if (!value) fail("strconv.ParseFloat: parsing \"{}\": invalid syntax", number);
    if (*value < 0) fail("invalid size: '{}'", text);
    int shift = 0;
    if (!suffix.empty() && suffix != "b") {
        const std::size_t unit = std::string_view("kmgtp").find(suffix[0]);
        const std::string_view rest = std::string_view(suffix).substr(1);
        if (unit == std::string_view::npos || (!rest.empty() && rest != "b" && rest != "ib"))
            fail("invalid suffix: '{}'", suffix);
        shift = 10 * static_cast<int>(unit + 1);
    }
    const double bytes = std::ldexp(*value, shift);
    if (!(bytes < 9.3e18)) fail("invalid size: '{}'", text);
    return bytes >= 9223372036854775807.0 ? INT64_MAX : static_cast<std::int64_t>(bytes);
}

std::int64_t parse_swap_bytes(std::string_view text) {
    return text == "-1" ? -1 : parse_bytes(text);
}

std::int64_t parse_nano_cpus(std::string_view text) {
    const auto bad = [&]() { fail("failed to parse {} as a rational number", text); };
    // 1e-9 of a CPU is exact in this many digits; more are Docker's "too precise".
    const auto parse_decimal = [&](std::string_view number) -> std::pair<__int128, __int128> {
        __int128 value = 0, scale = 1;
        bool point = false, digits = false;
        const bool negative = !number.empty() && number[0] == '-';
        if (starts_with_any(number, "+-")) number.remove_prefix(1);
        for (char c : number) {
            if (c == '.' && !point) {
                point = true;
            } else if (c >= '0' && c <= '9') {
                digits = true;
                if (value > (__int128{1} << 90) || scale > (__int128{1} << 90)) bad();
                value = value * 10 + (c - '0');
                if (point) scale *= 10;
            } else {
                bad();
            }
        }
        if (!digits) bad();
        return {negative ? -value : value, scale};
    };
    const auto [left, right] = cut(text, '/');
    auto [numerator, denominator] = parse_decimal(left);
    if (right) {
        const auto [value, scale] = parse_decimal(*right);
        if (value == 0 || scale != 1) bad();
        denominator *= value;
    }
    const __int128 nano = numerator * 1000000000;
    if (nano % denominator != 0) fail("value is too precise");
    const __int128 result = nano / denominator;
    if (result > INT64_MAX || result < INT64_MIN) fail("value is too precise");
    return static_cast<std::int64_t>(result);
}

std::int64_t parse_duration(std::string_view text) {
    std::string_view rest = text;
    const auto bad = [&]() { fail("time: invalid duration \"{}\"", text); };
    const bool negative = !rest.empty() && rest[0] == '-';
    if (starts_with_any(rest, "+-")) rest.remove_prefix(1);
    if (rest == "0") return 0;
    if (rest.empty()) bad();
    long double total = 0;
    while (!rest.empty()) {
        const std::size_t digits = std::min(rest.find_first_not_of("0123456789."), rest.size());
        const std::optional<double> number = find_double(rest.substr(0, digits));
        if (digits == 0 || !number) bad();
        rest.remove_prefix(digits);
        const std::size_t unit_size = std::min(rest.find_first_of("0123456789."), rest.size());
        const std::string_view unit = rest.substr(0, unit_size);
        if (unit.empty()) fail("time: missing unit in duration \"{}\"", text);
        constexpr std::pair<std::string_view, double> units[] = {
            {"ns", 1},   {"us", 1e3}, {"\u00b5s", 1e3}, {"\u03bcs", 1e3},
            {"ms", 1e6}, {"s", 1e9},  {"m", 60e9},      {"h", 3600e9},
        };
        const auto* found = std::find_if(std::begin(units), std::end(units),
                                         [&](const auto& entry) { return entry.first == unit; });
        if (found == std::end(units))
            fail("time: unknown unit \"{}\" in duration \"{}\"", unit, text);
        total += static_cast<long double>(*number) * found->second;
        rest.remove_prefix(unit_size);
    }
    if (total > 9.2e18L) bad();
    const auto ns = static_cast<std::int64_t>(std::llround(total));
    return negative ? -ns : ns;
}

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

api::Mount parse_mount(std::string_view text) {
    api::Mount mount;
    mount.type = "volume";
    const auto bind = [&]() -> api::BindOptions& {
        if (!mount.bind_options) mount.bind_options.emplace();
        return *mount.bind_options;
    };
    const auto volume = [&]() -> api::VolumeOptions& {
        if (!mount.volume_options) mount.volume_options.emplace();
        return *mount.volume_options;
    };
    const auto driver = [&]() -> api::VolumeDriverConfig& {
        if (!volume().driver_config) volume().driver_config.emplace();
        return *volume().driver_config;
    };
    const auto tmpfs = [&]() -> api::TmpfsOptions& {
        if (!mount.tmpfs_options) mount.tmpfs_options.emplace();
        return *mount.tmpfs_options;
    };
    const auto put = [](api::StringMap& map, std::string_view item) {
        const auto [name, value] = cut(item, '=');
        map[std::string(name)] = value.value_or("");
    };
    for (const std::string& field : split_csv(text)) {
        const auto [raw_key, maybe_value] = cut(field, '=');
        const std::string key = lower(raw_key);
        const std::string value(maybe_value.value_or(""));
        const auto boolean = [&] {
            try {
                return parse_bool(value);
            } catch (const Error&) {
                fail("invalid value for {}: {}", key, value);
            }
        };
        if (key == "bind-nonrecursive")
            fail("bind-nonrecursive is deprecated, use bind-recursive=disabled instead");
        if (!maybe_value) {
            if (key == "readonly" || key == "ro")
                mount.read_only = true;
            else if (key == "volume-nocopy")
                volume().no_copy = true;
            else
                fail("invalid field '{}' must be a key=value pair", field);
        } else if (key == "type") {
            mount.type = lower(value);
        } else if (key == "source" || key == "src") {
            mount.source = value == "." || value.starts_with("./") ? absolute_path(value) : value;
        } else if (key == "target" || key == "dst" || key == "destination") {
            mount.target = value;
        } else if (key == "readonly" || key == "ro") {
            mount.read_only = boolean();
        } else if (key == "consistency") {
            mount.consistency = lower(value);
        } else if (key == "bind-propagation") {
            bind().propagation = lower(value);
        } else if (key == "bind-recursive") {
            if (value == "disabled")
                bind().non_recursive = true;
            else if (value == "writable")
                bind().read_only_non_recursive = true;
            else if (value == "readonly")
                bind().read_only_force_recursive = true;
            else if (value != "enabled")
                fail(
                    "invalid value for {}: {} (must be \"enabled\", \"disabled\", \"writable\", "
                    "or \"readonly\")",
                    key, value);
        } else if (key == "volume-subpath") {
            volume().subpath = value;
        } else if (key == "volume-nocopy") {
            volume().no_copy = boolean();
        } else if (key == "volume-label") {
            put(volume().labels, value);
        } else if (key == "volume-driver") {
            driver().name = value;
        } else if (key == "volume-opt") {
            put(driver().options, value);
        } else if (key == "image-subpath") {
            mount.image_options.emplace().subpath = value;
        } else if (key == "tmpfs-size") {
            try {
                tmpfs().size_bytes = parse_bytes(value);
            } catch (const Error&) {
                fail("invalid value for {}: {}", key, value);
            }
        } else if (key == "tmpfs-mode") {
            unsigned mode = 0;
            const auto [end, error] =
                std::from_chars(value.data(), value.data() + value.size(), mode, 8);
            if (value.empty() || error != std::errc() || end != value.data() + value.size())
                fail("invalid value for {}: {}", key, value);
            tmpfs().mode = mode;
        } else {
            fail("unexpected key '{}' in '{}'", key, field);
        }
    }
    if (mount.type.empty()) fail("type is required");
    if (mount.target.empty()) fail("target is required");
    const auto refuse_mix = [&](std::string_view kind, bool present) {
        if (present && mount.type != kind)
            fail("cannot mix '{}-*' options with mount type '{}'", kind, mount.type);
    };
    refuse_mix("volume", mount.volume_options.has_value());
    refuse_mix("bind", mount.bind_options.has_value());
    refuse_mix("tmpfs", mount.tmpfs_options.has_value());
    refuse_mix("image", mount.image_options.has_value());
    if (mount.bind_options && !mount.read_only) {
        if (mount.bind_options->read_only_non_recursive)
            fail(
                "option 'bind-recursive=writable' requires 'readonly' to be specified in "
                "conjunction");
        if (mount.bind_options->read_only_force_recursive)
            fail(
                "option 'bind-recursive=readonly' requires 'readonly' to be specified in "
                "conjunction");
    }
    if (mount.bind_options && mount.bind_options->read_only_force_recursive &&
        mount.bind_options->propagation != "rprivate")
        fail(
            "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be "
            "specified in conjunction");
    return mount;
}

NetworkValue parse_network(std::string_view text) {
    NetworkValue network;
    if (text.find('=') == std::string_view::npos) {
        network.name = text;
        return network;
    }
    const auto ipam = [&]() -> api::EndpointIpamConfig& {
        if (!network.settings.ipam_config) network.settings.ipam_config.emplace();
        return *network.settings.ipam_config;
    };
    for (const std::string& field : split_csv(text)) {
        const auto [raw_key, maybe_value] = cut(field, '=');
        if (!maybe_value || maybe_value->empty())
            fail("invalid value for field {}: must be a key=value pair", field);
        const std::string key = lower(trim(raw_key));
        const std::string value = std::string(trim(*maybe_value));
        if (key == "name") {
            network.name = value;
        } else if (key == "alias") {
            network.settings.aliases.push_back(value);
        } else if (key == "ip") {
            ipam().ipv4_address = value;
        } else if (key == "ip6") {
            ipam().ipv6_address = value;
        } else if (key == "mac-address") {
            network.settings.mac_address = value;
        } else if (key == "link-local-ip") {
            ipam().link_local_ips.push_back(value);
        } else if (key == "driver-opt") {
            const auto [option, setting] = cut(value, '=');
            if (!setting) fail("invalid key value pair format in driver options");
            network.settings.driver_opts[lower(trim(option))] = trim(*setting);
        } else if (key == "gw-priority") {
            network.settings.gw_priority = parse_integer(value);
        } else {
            fail("invalid field key {}", key);
        }
    }
    if (network.name.empty()) fail("network name/id is not specified");
    return network;
}

api::DeviceRequest parse_gpus(std::string_view text) {
    api::DeviceRequest request;
    std::vector<std::string> capabilities = {"gpu"};
    const auto parse_count = [](std::string_view value) -> std::int64_t {
        if (value == "all") return -1;
        try {
            return parse_integer(value);
        } catch (const Error&) {
            fail(
                "invalid count ({}): value must be either \"all\" or an integer: "
                "strconv.Atoi: parsing \"{}\": invalid syntax",
                value, value);
        }
    };
    bool count_given = false, ids_given = false;
    for (const std::string& field : split_csv(text)) {
        const auto [key, value] = cut(field, '=');
        if (!value) {
            request.count = parse_count(key);
            count_given = true;
        } else if (key == "driver") {
            request.driver = *value;
        } else if (key == "count") {
            request.count = parse_count(*value);
            count_given = true;
        } else if (key == "device") {
            for (std::string& id : split(*value, ',')) request.device_ids.push_back(std::move(id));
            ids_given = true;
        } else if (key == "capabilities") {
            capabilities = split(*value, ',');
            capabilities.emplace_back("gpu");
        } else if (key == "options") {
            for (const std::string& option : split_csv(*value)) {
                const auto [name, setting] = cut(option, '=');
                request.options[std::string(name)] = setting.value_or("");
            }
        } else {
            fail("unexpected key '{}' in '{}'", key, field);
        }
    }
    if (!count_given && !ids_given) request.count = 1;
    request.capabilities = {capabilities};
    return request;
}

bool is_cdi_device(std::string_view text) {
    const std::size_t equals = text.find('='), slash = text.find('/');
    return !text.starts_with("/") && slash != std::string_view::npos &&
           equals != std::string_view::npos && slash < equals && slash > 0 &&
           equals + 1 < text.size();
}

api::DeviceMapping parse_device(std::string_view text) {
    const auto is_mode = [](std::string_view mode) {
        return !mode.empty() && mode.find_first_not_of("rwm") == std::string_view::npos;
    };
    const std::vector<std::string> parts = split(text, ':');
    if (parts.size() > 3) fail("invalid device specification: {}", text);
    api::DeviceMapping device;
    device.path_on_host = parts[0];
    device.cgroup_permissions = parts.size() == 3 ? parts[2] : "rwm";
    if (parts.size() >= 2) {
        if (parts.size() == 2 && is_mode(parts[1]))
            device.cgroup_permissions = parts[1];
        else
            device.path_in_container = parts[1];
    }
    if (device.path_in_container.empty()) device.path_in_container = device.path_on_host;
    return device;
}

void check_device(std::string_view text) {
    if (is_cdi_device(text)) return;
    const std::vector<std::string> parts = split(text, ':');
    if (parts.size() > 3) fail("bad format for path: {}", text);
    if (parts[0].empty()) fail("bad format for path: {}", text);
    if (parts.size() == 3 && parts[2].find_first_not_of("rwm") != std::string::npos)
        fail("bad mode specified: {}", parts[2]);
    const api::DeviceMapping device = parse_device(text);
    if (!device.path_in_container.starts_with("/"))
        fail("{} is not an absolute path", device.path_in_container);
}

namespace {

std::pair<std::string, std::string_view> split_device_value(std::string_view text) {
    const auto [path, value] = cut(text, ':');
    if (!value || value->empty()) fail("bad format: {}", text);
    if (!path.starts_with("/dev/")) fail("bad format for device path: {}", text);
    return {std::string(path), *value};
}

}  // namespace

api::ThrottleDevice parse_throttle_bytes(std::string_view text) {
    const auto [path, value] = split_device_value(text);
    std::int64_t rate = -1;
    try {
        rate = parse_bytes(value);
    } catch (const Error&) {
    }
    if (rate < 0)
        fail(
            "invalid rate for device: {}. The correct format is <device-path>:<number>[<unit>]. "
            "Number must be a positive integer. Unit is optional and can be kb, mb, or gb",
            text);
    return {path, static_cast<std::uint64_t>(rate)};
}

api::ThrottleDevice parse_throttle_iops(std::string_view text) {
    const auto [path, value] = split_device_value(text);
    try {
        return {path, parse_unsigned(value, 64)};
    } catch (const Error&) {
        fail(
            "invalid rate for device: {}. The correct format is <device-path>:<number>. Number "
            "must be a positive integer",
            text);
    }
}

api::WeightDevice parse_weight_device(std::string_view text) {
    const auto [path, value] = split_device_value(text);
    std::int64_t weight = -1;
    try {
        weight = parse_integer(value);
    } catch (const Error&) {
    }
    if (weight != 0 && (weight < 10 || weight > 1000)) fail("invalid weight for device: {}", text);
    return {path, weight};
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

std::string parse_extra_host(std::string_view text) {
    const std::size_t equals = text.find('=');
    const std::size_t at = equals != std::string_view::npos ? equals : text.find(':');
    if (at == std::string_view::npos || at == 0) fail("bad format for add-host: \"{}\"", text);
    std::string_view address = text.substr(at + 1);
    if (address.size() > 2 && address.front() == '[' && address.back() == ']')
        address = address.substr(1, address.size() - 2);
    if (address != "host-gateway" && !is_ip(address))
        fail("invalid IP address in add-host: \"{}\"", address);
    return fmt::format("{}:{}", text.substr(0, at), address);
}

VolumeValue parse_volume(std::string_view text) {
    if (text.empty()) fail("invalid empty volume spec");
    const auto [source, rest] = cut(text, ':');
    if (!rest) return {"", std::string(text)};
    if (source.empty()) fail("invalid spec: {}: empty section between colons", text);
    if (source[0] == '.') return {absolute_path(source) + ":" + std::string(*rest), ""};
    return {std::string(text), ""};
}

namespace {

struct PortRange {
    int first = 0, last = 0;
    int count() const { return last - first + 1; }
};

PortRange parse_port_range(std::string_view text, std::string_view what, std::string_view whole) {
    const auto parse_port = [&](std::string_view digits) {
        int port = 0;
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), port);
        if (digits.empty() || error != std::errc() || end != digits.data() + digits.size() ||
            port < 0 || port > 65535)
            fail("invalid {}: {}", what, whole);
        return port;
    };
    const auto [first, last] = cut(text, '-');
    PortRange range{parse_port(first), 0};
    range.last = last ? parse_port(*last) : range.first;
    if (range.last < range.first) fail("invalid range specified for port: {}", text);
    return range;
}

std::pair<std::string_view, std::string> split_protocol(std::string_view text) {
    const auto [ports, protocol] = cut(text, '/');
    const std::string name = protocol && !protocol->empty() ? lower(*protocol) : "tcp";
    if (name != "tcp" && name != "udp" && name != "sctp") fail("invalid proto: {}", *protocol);
    return {ports, name};
}

}  // namespace

std::vector<PortValue> parse_published_ports(std::string_view text) {
    const auto [spec, protocol] = split_protocol(text);
    std::string_view address, host, container = spec;
    if (const std::size_t colon = spec.rfind(':'); colon != std::string_view::npos) {
        container = spec.substr(colon + 1);
        host = spec.substr(0, colon);
        if (const std::size_t second = host.rfind(':'); second != std::string_view::npos) {
            address = host.substr(0, second);
            host = host.substr(second + 1);
        }
    }
    if (address.size() > 2 && address.front() == '[' && address.back() == ']')
        address = address.substr(1, address.size() - 2);
    if (!address.empty() && !is_ip(address)) fail("invalid IP address: {}", address);
    if (container.empty()) fail("no port specified: {}<empty>", text);
    const PortRange container_range = parse_port_range(container, "containerPort", container);
    std::optional<PortRange> host_range;
    if (!host.empty()) host_range = parse_port_range(host, "hostPort", host);
    // One container port on a range of host ports: the daemon picks one of them.
    const bool pick = host_range && container_range.count() == 1 && host_range->count() > 1;
    if (host_range && !pick && host_range->count() != container_range.count())
        fail("invalid ranges specified for container and host Ports: {} and {}", container, host);
    std::vector<PortValue> ports;
    for (int i = 0; i < container_range.count(); ++i) {
        PortValue value;
        value.port = fmt::format("{}/{}", container_range.first + i, protocol);
        value.binding.host_ip = address;
        if (pick)
            value.binding.host_port = host;
        else if (host_range)
            value.binding.host_port = std::to_string(host_range->first + i);
        ports.push_back(std::move(value));
    }
    return ports;
}

std::vector<std::string> parse_exposed_ports(std::string_view text) {
    if (text.find(':') != std::string_view::npos)
        fail("invalid port format for --expose: {}", text);
    const auto [spec, protocol] = split_protocol(text);
    const PortRange range =
        with_context([&, spec = spec] { return parse_port_range(spec, "containerPort", spec); },
                     "invalid range format for --expose: {}", text);
    std::vector<std::string> ports;
    for (int port = range.first; port <= range.last; ++port)
        ports.push_back(fmt::format("{}/{}", port, protocol));
    return ports;
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

api::StringMap make_string_map(const std::vector<std::string>& items) {
    api::StringMap map = api::StringMap::none();
    for (const std::string& item : items) {
        const auto [name, value] = cut(item, '=');
        map[std::string(name)] = value.value_or("");
    }
    return map;
}

std::string parse_timestamp(std::string_view text, std::int64_t now_ns) {
    const auto render = [](std::int64_t ns) {
        return fmt::format("{}.{:09}", ns / 1000000000, ns % 1000000000);
    };
    try {
        return render(now_ns - parse_duration(text));
    } catch (const Error&) {
    }
    const auto bad = [&]() { fail("failed to parse value as time or duration: \"{}\"", text); };
    if (text.find('-') == std::string_view::npos) {
        const auto [seconds, fraction] = cut(text, '.');
        const auto is_digits = [](std::string_view part) {
            return !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
        };
        if (!is_digits(seconds) || (fraction && (!is_digits(*fraction) || fraction->size() > 9)))
            bad();
        std::string nanoseconds(fraction.value_or(""));
        nanoseconds.resize(9, '0');
        return fmt::format("{}.{}", seconds, nanoseconds);
    }
    // Missing parts count as zero and a missing zone as ours.
    std::string full(text);
    const std::size_t zone = full.size() > 10 ? full.find_first_of("Zz+-", 10) : std::string::npos;
    std::string zone_text = zone == std::string::npos ? "" : full.substr(zone);
    if (zone != std::string::npos) full.resize(zone);
    if (full.size() == 10) full += "T00";
    if (full.size() == 13) full += ":00";
    if (full.size() == 16) full += ":00";
    const std::optional<std::int64_t> parsed =
        parse_rfc3339(full + (zone_text.empty() ? "Z" : zone_text));
    if (!parsed) bad();
    if (!zone_text.empty()) return render(*parsed);
    const std::time_t as_utc = *parsed / 1000000000;
    struct tm fields = {};
    ::gmtime_r(&as_utc, &fields);
    fields.tm_isdst = -1;
    const std::time_t local = ::mktime(&fields);
    return render(local * 1000000000 + *parsed % 1000000000);
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
