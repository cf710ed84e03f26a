#include "base/time.hh"

#include <fmt/core.h>

#include <ctime>

namespace hull {

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

std::int64_t read_clock(clockid_t clock) {
    timespec time{};
    ::clock_gettime(clock, &time);
    return time.tv_sec * second_ns + time.tv_nsec;
}

struct Civil {
    std::tm fields;
    long fraction_ns;
};

Civil split(std::int64_t ns) {
    std::int64_t seconds = ns / second_ns;
    std::int64_t fraction = ns % second_ns;
    if (fraction < 0) {
        fraction += second_ns;
        --seconds;
    }
    Civil civil{};
    const std::time_t time = seconds;
    ::gmtime_r(&time, &civil.fields);
    civil.fraction_ns = fraction;
    return civil;
}

std::string format_seconds(const std::tm& fields) {
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", fields.tm_year + 1900,
                       fields.tm_mon + 1, fields.tm_mday, fields.tm_hour, fields.tm_min,
                       fields.tm_sec);
}

/// Reads exactly `count` digits at the front of `text`.
std::optional<int> take_digits(std::string_view& text, std::size_t count) {
    if (text.size() < count) return std::nullopt;
    int value = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (text[i] < '0' || text[i] > '9') return std::nullopt;
        value = value * 10 + (text[i] - '0');
    }
    text.remove_prefix(count);
    return value;
}

bool take(std::string_view& text, char wanted) {
    if (text.empty() || text.front() != wanted) return false;
    text.remove_prefix(1);
    return true;
}

}  // namespace

std::int64_t now_ns() { return read_clock(CLOCK_REALTIME); }
std::int64_t monotonic_ns() { return read_clock(CLOCK_MONOTONIC); }

std::string format_rfc3339(std::int64_t ns) {
    const Civil civil = split(ns);
    std::string text = format_seconds(civil.fields);
    if (civil.fraction_ns != 0) {
        text += fmt::format(".{:09}", civil.fraction_ns);
        text.erase(text.find_last_not_of('0') + 1);
    }
    return text + "Z";
}

std::string format_rfc3339_fixed(std::int64_t ns) {
    const Civil civil = split(ns);
    return fmt::format("{}.{:09}Z", format_seconds(civil.fields), civil.fraction_ns);
}

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
    const auto year = take_digits(text, 4);
    if (!year || !take(text, '-')) return std::nullopt;
    const auto month = take_digits(text, 2);
    if (!month || !take(text, '-')) return std::nullopt;
    const auto day = take_digits(text, 2);
    if (!day || !(take(text, 'T') || take(text, 't') || take(text, ' '))) return std::nullopt;
    const auto hour = take_digits(text, 2);
    if (!hour || !take(text, ':')) return std::nullopt;
    const auto minute = take_digits(text, 2);
    if (!minute || !take(text, ':')) return std::nullopt;
    const auto second = take_digits(text, 2);
    if (!second || *month < 1 || *month > 12 || *day < 1 || *day > 31 || *hour > 23 ||
        *minute > 59 || *second > 60)
        return std::nullopt;
    std::int64_t fraction = 0;
    if (take(text, '.')) {
        std::int64_t unit = second_ns;
        if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
        while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
            unit /= 10;
            fraction += (text.front() - '0') * unit;
            text.remove_prefix(1);
        }
    }
    std::int64_t offset_seconds = 0;
    if (!take(text, 'Z') && !take(text, 'z')) {
        const bool negative = !text.empty() && text.front() == '-';
        if (!negative && (text.empty() || text.front() != '+')) return std::nullopt;
        text.remove_prefix(1);
        const auto zone_hour = take_digits(text, 2);
        if (!zone_hour || !take(text, ':')) return std::nullopt;
        const auto zone_minute = take_digits(text, 2);
        if (!zone_minute) return std::nullopt;
        offset_seconds = (*zone_hour * 3600 + *zone_minute * 60) * (negative ? -1 : 1);
    }
    if (!text.empty()) return std::nullopt;
    std::tm fields{};
    fields.tm_year = *year - 1900;
    fields.tm_mon = *month - 1;
    fields.tm_mday = *day;
    fields.tm_hour = *hour;
    fields.tm_min = *minute;
    fields.tm_sec = *second;
    const std::int64_t seconds = ::timegm(&fields) - offset_seconds;
    std::int64_t ns = 0;
    if (__builtin_mul_overflow(seconds, second_ns, &ns) ||
        __builtin_add_overflow(ns, fraction, &ns))
        return std::nullopt;
    return ns;
}

}  // namespace hull
