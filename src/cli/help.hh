#pragma once
#include "cli/command.hh"

#include <span>
#include <string>
#include <string_view>

namespace hull::cli {

/// A group of commands: `hull container`.
struct Group {
    std::string_view name, summary;
    std::span<const Flag> flags = {};  ///< between the group's name and the command's
};
std::span<const Group> all_groups();
const Group* find_group(std::string_view name);

/// Flags before the command.
std::span<const Flag> global_flags();

/// `path` is the command as typed, program included; `width` the columns to wrap at.
std::string command_help(const Command& command, std::string_view program, std::string_view path,
                         int width);
std::string group_help(const Group& group, std::string_view program);
std::string program_help(std::string_view program, int width);

/// "Usage:  hull run [OPTIONS] IMAGE [COMMAND] [ARG...]"
std::string usage_line(const Command& command, std::string_view path);

}  // namespace hull::cli
