#include "cli/numbers.hh"

#include "base/time.hh"
#include "cli/words.hh"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <optional>

namespace hull::cli {
namespace {

bool starts_with_any(std::string_view text, std::string_view characters) {
    return !text.empty() && characters.find(text[0]) != std::string_view::npos;
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

}  // namespace

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

}  // namespace hull::cli
