#pragma once
#include "api/client/client.hh"
#include "cli/create_flags.hh"
#include "cli/flags.hh"

#include <array>

namespace hull::cli {

/// The flags that `logs` and `compose logs` share.
inline constexpr auto logs_flags = std::to_array<Flag>({
    {"follow", 'f', FlagType::boolean, "Go on with new output"},
    {"since", 0, FlagType::text,
     "Output since a time (2013-01-02T13:23:37Z) or for a duration (42m)"},
    {"tail", 'n', FlagType::text, "Number of lines from the end of a log", "all"},
    {"timestamps", 't', FlagType::boolean, "Show timestamps"},
    {"until", 0, FlagType::text,
     "Output before a time (2013-01-02T13:23:37Z) or a duration ago (42m)"},
});

/// What they say. Throws invalid_argument for a time that is none.
client::LogsOptions read_logs_options(const Arguments& arguments);

}  // namespace hull::cli
