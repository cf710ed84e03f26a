#pragma once
#include "cli/flags.hh"

#include <array>
#include <span>
#include <string>
#include <string_view>

namespace hull::cli {

class Session;

/// How many positional arguments a command takes; the errors are Docker's.
struct ArgumentsRule {
    int min = 0, max = 0;  ///< max -1: no limit
};
constexpr ArgumentsRule exactly(int count) { return {count, count}; }
constexpr ArgumentsRule at_least(int count) { return {count, -1}; }
constexpr ArgumentsRule at_most(int count) { return {0, count}; }
constexpr ArgumentsRule between(int min, int max) { return {min, max}; }

/// What the arguments of a command are, for completion.
enum class Completes {
    nothing,
    containers,          ///< in any state
    running_containers,  ///< paused ones, too
    stopped_containers,
    images,
    networks,
    networks_and_containers,  ///< the first argument and the others
    objects,                  ///< containers and images
    contexts,
    volumes,
    files,
    copy_places,  ///< container: and files
    shells,
};

/// One call of a command.
struct Invocation {
    Session& session;
    const Arguments& arguments;
    std::string path;  ///< as typed, program included: "hull container run"
};

/// One command, as help, the parser and the dispatcher see it.
struct Command {
    std::string_view name;                         ///< canonical: "container run"
    std::array<std::string_view, 4> aliases = {};  ///< other full names: "run"
    std::string_view usage = "";                   ///< what follows the name in the usage line
    std::string_view summary;
    ArgumentsRule args;
    std::span<const Flag> flags = {};
    bool flags_end_at_positional = false;  ///< what follows belongs to the container's command
    /// Returns the exit code. An Error it throws is printed, exit code 1.
    int (*run)(Invocation&) = nullptr;
    Completes completes = Completes::nothing;
    bool raw_arguments = false;  ///< nothing is a flag: the command reads its words itself
    bool hidden = false;         ///< for programs: neither help nor completion shows it
};

/// Every command.
std::span<const Command* const> all_commands();
/// By its name or an alias.
const Command* find_command(std::string_view name);

}  // namespace hull::cli
