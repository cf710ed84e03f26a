#pragma once
#include "build/dockerfile/instruction.hh"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hull::build::dockerfile {

/// An instruction cut into its keyword, its flags and the rest.
struct CommandParts {
    std::string_view keyword;
    std::vector<std::string> flags;  ///< "--name=value", quotes and escapes gone
    std::string_view rest;           ///< without blanks on both sides
};
CommandParts split_command(std::string_view line);

/// At blanks (tab, space, and the like), whatever the quotes say: COPY, FROM, EXPOSE, VOLUME.
std::vector<std::string> split_blanks(std::string_view text);
/// At blanks outside of quotes; quotes and escapes are kept: ENV, LABEL, ARG.
std::vector<std::string> split_words(std::string_view text, char escape);

/// The strings of a JSON array; nullopt when `text` is no JSON array. Throws
/// Error(invalid_argument) in Docker's words for an array of anything but strings.
std::optional<std::vector<std::string>> parse_json_strings(std::string_view text);

/// One record of RFC 4180 as Go's encoding/csv reads it. Throws Error(invalid_argument).
std::vector<std::string> parse_csv_line(std::string_view text);

/// Go's time.ParseDuration, in ns. Throws Error(invalid_argument) in Go's words.
std::int64_t parse_go_duration(std::string_view text);
/// "64m", "1.5GiB" in bytes. Throws Error(invalid_argument).
std::int64_t parse_size(std::string_view text);
/// Go's strconv.ParseBool; nullopt for anything else.
std::optional<bool> parse_bool(std::string_view text);
/// A whole number without a sign in `base`, at most `limit`.
std::optional<std::uint64_t> parse_number(std::string_view text, int base, std::uint64_t limit);

}  // namespace hull::build::dockerfile
