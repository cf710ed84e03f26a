#include "api/server/times.hh"

#include "base/error.hh"
#include "base/time.hh"

#include <charconv>
#include <string>

namespace hull::server {

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

std::optional<std::int64_t> find_unix_time(std::string_view text) {
    std::int64_t seconds = 0;
    const char* const end = text.data() + text.size();
    auto [rest, error] = std::from_chars(text.data(), end, seconds);
    if (error != std::errc()) return std::nullopt;
    std::int64_t fraction_ns = 0;
    if (rest != end) {
        if (*rest++ != '.' || rest == end) return std::nullopt;
        std::int64_t unit = second_ns / 10;
        for (; rest != end; rest++, unit /= 10) {
            if (*rest < '0' || *rest > '9') return std::nullopt;
            fraction_ns += (*rest - '0') * unit;
        }
    }
    std::int64_t time_ns = 0;
    if (__builtin_mul_overflow(seconds, second_ns, &time_ns) ||
        __builtin_add_overflow(time_ns, fraction_ns, &time_ns))
        return std::nullopt;
    return time_ns;
}

}  // namespace

std::optional<std::int64_t> parse_unix_time(std::string_view text) {
    if (text.empty()) return std::nullopt;
    const std::optional<std::int64_t> time = find_unix_time(text);
    if (!time) throw Error(ErrorKind::invalid_argument, "invalid timestamp \"{}\"", text);
    return time;
}

std::optional<std::int64_t> find_duration(std::string_view text) {
    if (text.empty()) return std::nullopt;
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    if (text == "0") return 0;
    double total = 0;
    while (!text.empty()) {
        double value = 0;
        const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc() || value < 0) return std::nullopt;
        text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
        static constexpr struct {
            std::string_view name;
            double ns;
        } units[] = {{"ns", 1},  {"us", 1e3}, {"µs", 1e3},  {"ms", 1e6},
                     {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
        double unit = 0;
        for (const auto& [name, ns] : units) {
            if (!text.starts_with(name)) continue;
            unit = ns;
            text.remove_prefix(name.size());
            break;
        }
        if (unit == 0) return std::nullopt;
        total += value * unit;
    }
    if (!(total < 9.2e18)) return std::nullopt;
    return static_cast<std::int64_t>(negative ? -total : total);
}

std::int64_t parse_time(std::string_view text, std::int64_t now_ns) {
    if (const auto unix_time = find_unix_time(text)) return *unix_time;
    std::int64_t time_ns = 0;
    if (const auto duration = find_duration(text);
        duration && !__builtin_sub_overflow(now_ns, *duration, &time_ns))
        return time_ns;
    if (const auto time = parse_rfc3339(text)) return *time;
    // Shorter forms are UTC: 2024-01-02, 2024-01-02T03:04, 2024-01-02T03:04:05.
    for (const std::string_view missing : {"Z", ":00Z", "T00:00:00Z"})
        if (const auto time = parse_rfc3339(std::string(text) + std::string(missing))) return *time;
    throw Error(ErrorKind::invalid_argument, "invalid timestamp \"{}\"", text);
}

}  // namespace hull::server
