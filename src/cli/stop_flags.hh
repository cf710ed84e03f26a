#pragma once
#include "base/error.hh"
#include "cli/flags.hh"

#include <array>
#include <optional>

namespace hull::cli {

/// The flags of what stops a container: stop and restart. --time is the older name of --timeout.
inline constexpr auto stop_flags = std::to_array<Flag>({
    {"signal", 's', FlagType::text, "Signal that asks the container to stop"},
    {"time", 0, FlagType::integer, "Seconds to wait before killing", "", nullptr, true},
    {"timeout", 't', FlagType::integer, "Seconds to wait before killing"},
});

/// Seconds, nullopt for the container's own. Throws invalid_argument when both names are given.
inline std::optional<int> stop_timeout_s(const Arguments& arguments) {
    if (arguments.given("time") && arguments.given("timeout"))
        throw Error(ErrorKind::invalid_argument,
                    "conflicting options: cannot specify both --timeout and --time");
    for (std::string_view name : {"time", "timeout"})
        if (arguments.given(name)) return static_cast<int>(arguments.integer(name));
    return std::nullopt;
}

}  // namespace hull::cli
