#pragma once
#include "base/text.hh"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hull::engine {

/// The shortest path that means the same without looking at the disk, as Go's path.Clean.
std::string clean_path(std::string_view path);
/// "10m", "64k", "1g", "1.5GB", "100": bytes in units of 1024, as Docker reads sizes.
std::optional<std::int64_t> find_size(std::string_view text);
std::optional<std::int64_t> find_integer(std::string_view text);
/// "Less than a second", "5 seconds", "About a minute", "3 hours": Docker's words for a duration.
std::string human_duration(std::int64_t ns);
/// A moment as filters and queries give it: unix seconds with an optional fraction, RFC 3339, or a
/// duration before now ("10m", "1h30m"); in ns since 1970. Throws invalid_argument.
std::int64_t parse_moment(std::string_view text);
/// Replaces or appends NAME=value entries by name; an entry without '=' removes the name.
void merge_environment(std::vector<std::string>& environment,
                       const std::vector<std::string>& changes);
struct PortRange {
    int first = 0, last = 0;
    std::string protocol;
};
/// "80", "80/udp", "8000-8010/tcp". Throws invalid_argument.
PortRange parse_port_range(std::string_view text);
/// "ctrl-p,ctrl-q", "a,DEL" -> bytes. Throws invalid_argument.
std::string parse_detach_keys(std::string_view text);

}  // namespace hull::engine
