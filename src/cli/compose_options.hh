#pragma once
#include "cli/flags.hh"

#include <array>

namespace hull::cli {

/// The flags between `compose` and the command.
inline constexpr auto compose_flags = std::to_array<Flag>({
    {"all-resources", 0, FlagType::boolean, "Include resources that no service uses"},
    {"ansi", 0, FlagType::text, "Control characters: \"never\", \"always\" or \"auto\"", "auto"},
    {"compatibility", 0, FlagType::boolean, "Name containers as version 1 did: with underscores"},
    {"dry-run", 0, FlagType::boolean, "Say what would be done, and why; do nothing"},
    {"env-file", 0, FlagType::list, "File of variables, instead of .env"},
    {"file", 'f', FlagType::list, "Compose file; several are merged in this order"},
    {"no-ansi", 0, FlagType::boolean, "No control characters", "", nullptr, true},
    {"parallel", 0, FlagType::integer, "Most calls at a time, -1 for no limit", "-1"},
    {"profile", 0, FlagType::list, "Profile to enable ('*' for every one)"},
    {"progress", 0, FlagType::text,
     "How progress is shown: \"auto\", \"tty\", \"plain\", \"json\" or \"quiet\"", "auto"},
    {"project-directory", 0, FlagType::text,
     "Directory of the project (default: of the first file)"},
    {"project-name", 'p', FlagType::text, "Name of the project"},
    {"verbose", 0, FlagType::boolean, "Show more output", "", nullptr, true},
    {"version", 'v', FlagType::boolean, "Show the version", "", nullptr, true},
    {"workdir", 0, FlagType::text, "The same as --project-directory", "", nullptr, true},
});

}  // namespace hull::cli
