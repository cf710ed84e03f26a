#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hull {

/// Nanoseconds since 1970 (CLOCK_REALTIME).
std::int64_t now_ns();
/// Nanoseconds of CLOCK_MONOTONIC, for deadlines.
std::int64_t monotonic_ns();

/// What Docker writes for "never".
inline constexpr std::string_view zero_time = "0001-01-01T00:00:00Z";

/// RFC 3339 in UTC with nanoseconds, trailing zeros cut, as Go's RFC3339Nano.
std::string format_rfc3339(std::int64_t ns);
/// Always nine digits of fraction, as `docker logs --timestamps` prints.
std::string format_rfc3339_fixed(std::int64_t ns);
/// Parses RFC 3339 with any fraction and zone; nullopt when malformed.
std::optional<std::int64_t> parse_rfc3339(std::string_view text);

}  // namespace hull
