#include "engine/text.hh"

#include "base/error.hh"
#include "base/time.hh"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace hull::engine {

std::string clean_path(std::string_view path) {
    const bool absolute = path.starts_with('/');
    std::vector<std::string> kept;
    for (std::string& part : split(path, '/')) {
        if (part.empty() || part == ".") continue;
        if (part != "..") {
            kept.push_back(std::move(part));
        } else if (!kept.empty() && kept.back() != "..") {
            kept.pop_back();
        } else if (!absolute) {
            kept.push_back("..");
        }
    }
    std::string result = absolute ? "/" : "";
    for (std::size_t i = 0; i < kept.size(); ++i) {
        if (i) result += '/';
        result += kept[i];
    }
    return result.empty() ? "." : result;
}

std::optional<std::int64_t> find_integer(std::string_view text) {
    std::int64_t number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

std::optional<std::int64_t> find_size(std::string_view text) {
    std::size_t digits = text.find_first_not_of("0123456789.");
    std::string number(text.substr(0, digits));
    std::string unit(digits == std::string_view::npos ? "" : text.substr(digits));
    if (number.empty()) return std::nullopt;
    char* end = nullptr;
    double value = std::strtod(number.c_str(), &end);
    if (*end != '\0') return std::nullopt;
    while (unit.starts_with(' ')) unit.erase(0, 1);
    for (char& c : unit) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    if (unit.size() > 1 && unit.ends_with('b')) unit.pop_back();
    if (unit.size() == 2 && unit[1] == 'i') unit.pop_back();
    constexpr std::string_view units = "bkmgtp";
    std::size_t power = unit.empty() ? 0 : units.find(unit);
    if (unit.size() > 1 || power == std::string_view::npos) return std::nullopt;
    value *= std::pow(1024.0, static_cast<double>(power));
    if (value >= 9.2e18) return std::nullopt;
    return static_cast<std::int64_t>(value);
}

std::string human_duration(std::int64_t ns) {
    const std::int64_t seconds = ns / 1'000'000'000;
    const std::int64_t minutes = seconds / 60;
    const std::int64_t hours = (ns / 1'000'000'000 + 1800) / 3600;  // rounded, as go-units does
    if (seconds < 1) return "Less than a second";
    if (seconds == 1) return "1 second";
    if (seconds < 60) return fmt::format("{} seconds", seconds);
    if (minutes == 1) return "About a minute";
    if (minutes < 60) return fmt::format("{} minutes", minutes);
    if (hours == 1) return "About an hour";
    if (hours < 48) return fmt::format("{} hours", hours);
    if (hours < 24 * 7 * 2) return fmt::format("{} days", hours / 24);
    if (hours < 24 * 30 * 2) return fmt::format("{} weeks", hours / 24 / 7);
    if (hours < 24 * 365 * 2) return fmt::format("{} months", hours / 24 / 30);
    return fmt::format("{} years", hours / 24 / 365);
}

namespace {

/// "1.5" -> 1 500 000 000
std::optional<std::int64_t> find_decimal_seconds(std::string_view text) {
    const std::size_t point = text.find('.');
    auto seconds = find_integer(text.substr(0, point));
    if (!seconds) return std::nullopt;
    std::int64_t ns = 0;
    if (__builtin_mul_overflow(*seconds, 1'000'000'000, &ns)) return std::nullopt;
    if (point == std::string_view::npos) return ns;
    std::string fraction(text.substr(point + 1));
    if (fraction.empty() || fraction.size() > 9) return std::nullopt;
    fraction.resize(9, '0');
    auto rest = find_integer(fraction);
    if (!rest || *rest < 0 || __builtin_add_overflow(ns, *rest, &ns)) return std::nullopt;
    return ns;
}

/// Go's duration: "1h30m", "10s", "250ms".
std::optional<std::int64_t> find_duration(std::string_view text) {
    double total_ns = 0;
    if (text.empty()) return std::nullopt;
    while (!text.empty()) {
        const std::size_t digits = text.find_first_not_of("0123456789.");
        if (digits == 0 || digits == std::string_view::npos) return std::nullopt;
        const double number = std::strtod(std::string(text.substr(0, digits)).c_str(), nullptr);
        text.remove_prefix(digits);
        struct {
            std::string_view name;
            double ns;
        } const units[] = {{"ms", 1e6},   {"us", 1e3}, {"ns", 1},
                           {"h", 3.6e12}, {"m", 6e10}, {"s", 1e9}};
        bool known = false;
        for (const auto& [name, ns] : units) {
            if (!text.starts_with(name)) continue;
            total_ns += number * ns;
            text.remove_prefix(name.size());
            known = true;
            break;
        }
        if (!known) return std::nullopt;
    }
    if (!(total_ns < 9.2e18)) return std::nullopt;
    return static_cast<std::int64_t>(total_ns);
}

}  // namespace

std::int64_t parse_moment(std::string_view text) {
    if (auto moment = find_decimal_seconds(text)) return *moment;
    if (auto moment = parse_rfc3339(text)) return *moment;
    if (auto duration = find_duration(text)) return now_ns() - *duration;
    throw Error(ErrorKind::invalid_argument, "failed to parse value as time or duration: '{}'",
                text);
}

void merge_environment(std::vector<std::string>& environment,
                       const std::vector<std::string>& changes) {
    for (const std::string& change : changes) {
        const std::size_t equals = change.find('=');
        const std::string name = change.substr(0, equals);
        auto position = std::find_if(
            environment.begin(), environment.end(),
            [&](const std::string& entry) { return entry.substr(0, entry.find('=')) == name; });
        if (equals == std::string::npos) {
            if (position != environment.end()) environment.erase(position);
        } else if (position != environment.end()) {
            *position = change;
        } else {
            environment.push_back(change);
        }
    }
}

std::string parse_detach_keys(std::string_view text) {
    std::string bytes;
    if (text.empty()) return bytes;
    for (const std::string& key : split(text, ',')) {
        constexpr std::string_view control_symbols = "@[\\]^_";
        if (key.size() == 1) {
            bytes += key;
        } else if (key == "DEL") {
            bytes += '\x7f';
        } else if (key.size() == 6 && key.starts_with("ctrl-") &&
                   ((key[5] >= 'a' && key[5] <= 'z') ||
                    control_symbols.find(key[5]) != std::string_view::npos)) {
            bytes += static_cast<char>(key[5] & 0x1f);
        } else {
            throw Error(ErrorKind::invalid_argument,
                        "Invalid detach keys ({}) provided: Unknown character: '{}'", text, key);
        }
    }
    return bytes;
}

PortRange parse_port_range(std::string_view text) {
    const std::size_t slash = std::min(text.find('/'), text.size());
    const std::string_view ports = text.substr(0, slash);
    const std::size_t dash = std::min(ports.find('-'), ports.size());
    const auto first = find_integer(ports.substr(0, dash));
    const auto last = dash < ports.size() ? find_integer(ports.substr(dash + 1)) : first;
    PortRange range{0, 0, slash < text.size() ? std::string(text.substr(slash + 1)) : "tcp"};
    const bool is_known =
        range.protocol == "tcp" || range.protocol == "udp" || range.protocol == "sctp";
    if (!first || !last || *first < 0 || *last > 65535 || *first > *last || !is_known)
        throw Error(ErrorKind::invalid_argument, "invalid port or port range: {}", text);
    range.first = static_cast<int>(*first);
    range.last = static_cast<int>(*last);
    return range;
}

}  // namespace hull::engine
