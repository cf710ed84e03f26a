#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace hull::server {

/// "1712345678", "1712345678.000000001": nanoseconds since 1970; nullopt for "".
/// Throws invalid_argument.
std::optional<std::int64_t> parse_unix_time(std::string_view text);

/// What `until` filters take: unix seconds, RFC 3339, a date, or a Go duration back from `now_ns`
/// ("10m", "1h30m"). Throws invalid_argument.
std::int64_t parse_time(std::string_view text, std::int64_t now_ns);

/// "1h30m", "10s", "1.5h" -> nanoseconds.
std::optional<std::int64_t> find_duration(std::string_view text);

}  // namespace hull::server
