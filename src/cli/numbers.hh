#pragma once
#include <cstdint>
#include <string>
#include <string_view>

/// Numbers, sizes and times as Docker's flags take them. Each throws invalid_argument with the text
/// that Docker's CLI prints (docker/go-units, Go's strconv and time).
namespace hull::cli {

bool parse_bool(std::string_view text);
/// Decimal, 0x…, 0o…, 0b… or 0… as Go's ParseInt with base 0.
std::int64_t parse_integer(std::string_view text);
std::uint64_t parse_unsigned(std::string_view text, int bits);
/// `512m`, `1.5GiB`, `100`: bytes, units are powers of 1024.
std::int64_t parse_bytes(std::string_view text);
/// Bytes, or -1 for no limit.
std::int64_t parse_swap_bytes(std::string_view text);
/// `1.5` or `3/2` CPUs in units of 1e-9.
std::int64_t parse_nano_cpus(std::string_view text);
/// Go's duration, `1h2m3.5s`, in nanoseconds.
std::int64_t parse_duration(std::string_view text);
/// RFC 3339, a date, a unix time or a duration before `now_ns`, as `seconds.nanoseconds`.
std::string parse_timestamp(std::string_view text, std::int64_t now_ns);

}  // namespace hull::cli
