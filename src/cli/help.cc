#include "cli/help.hh"

#include "cli/compose_options.hh"
#include "cli/terminal.hh"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <vector>

namespace hull::cli {
namespace {

constexpr Group groups[] = {
    {"builder", "Manage builds"},
    {"completion", "Print the completion script of a shell"},
    {"compose", "Define and run projects of several containers", compose_flags},
    {"container", "Manage containers"},
    {"context", "Manage contexts: names of daemons"},
    {"image", "Manage images"},
    {"manifest", "Manage manifests and lists of them"},
    {"network", "Manage networks"},
    {"registry", "Run a registry"},
    {"secret", "Manage secrets of containers"},
    {"system", "Manage the daemon"},
    {"volume", "Manage volumes"},
};

constexpr Flag globals[] = {
    {"config", 0, FlagType::text, "Directory of the client's configuration files"},
    {"context", 'c', FlagType::text, "Context to use (see \"context ls\")"},
    {"debug", 'D', FlagType::boolean, "Print debugging messages"},
    {"host", 'H', FlagType::list, "Socket of the daemon to talk to"},
    {"log-level", 'l', FlagType::text,
     "Least severe messages to print (\"debug\", \"info\", \"warn\", \"error\", \"fatal\")",
     "info"},
    {"tls", 0, FlagType::boolean, "Use TLS"},
    {"tlscacert", 0, FlagType::text, "Trust certificates of this CA only"},
    {"tlscert", 0, FlagType::text, "TLS certificate file"},
    {"tlskey", 0, FlagType::text, "TLS key file"},
    {"tlsverify", 0, FlagType::boolean, "Use TLS and verify the daemon"},
    {"version", 'v', FlagType::boolean, "Print the client's version and exit"},
};

/// Commands most people need first; the others follow in the list of all.
constexpr std::string_view common[] = {"run", "exec", "ps", "images", "version", "info"};

struct Entry {
    std::string_view name, summary;
};

std::string format_entries(const std::vector<Entry>& entries) {
    std::string result;
    for (const Entry& entry : entries)
        result += fmt::format("  {:<11} {}\n", entry.name, entry.summary);
    return result;
}

bool is_group_member(std::string_view name, std::string_view group) {
    return name.size() > group.size() && name.starts_with(group) && name[group.size()] == ' ';
}

}  // namespace

std::span<const Group> all_groups() { return groups; }
const Group* find_group(std::string_view name) {
    for (const Group& group : groups)
        if (group.name == name) return &group;
    return nullptr;
}
std::span<const Flag> global_flags() { return globals; }

std::string usage_line(const Command& command, std::string_view path) {
    return command.usage.empty() ? fmt::format("Usage:  {}", path)
                                 : fmt::format("Usage:  {} {}", path, command.usage);
}

std::string command_help(const Command& command, std::string_view program, std::string_view path,
                         int width) {
    std::string text = fmt::format("{}\n\n{}\n", usage_line(command, path), command.summary);
    if (!command.aliases[0].empty()) {
        text += fmt::format("\nAliases:\n  {} {}", program, command.name);
        for (std::string_view alias : command.aliases)
            if (!alias.empty()) text += fmt::format(", {} {}", program, alias);
        text += "\n";
    }
    if (!command.flags.empty()) text += "\nOptions:\n" + format_flags(command.flags, width);
    return text;
}

std::string group_help(const Group& group, std::string_view program) {
    std::vector<Entry> entries;
    for (const Command* command : all_commands())
        if (!command->hidden && is_group_member(command->name, group.name))
            entries.push_back({command->name.substr(group.name.size() + 1), command->summary});
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return a.name < b.name; });
    const std::string options =
        group.flags.empty() ? "" : "Options:\n" + format_flags(group.flags, help_width()) + "\n";
    return fmt::format(
        "Usage:  {0} {1} {5}COMMAND\n\n{2}\n\n{4}Commands:\n{3}\nRun '{0} {1} COMMAND --help' for "
        "more information on a command.\n",
        program, group.name, group.summary, format_entries(entries), options,
        group.flags.empty() ? "" : "[OPTIONS] ");
}

std::string program_help(std::string_view program, int width) {
    std::vector<Entry> first, others, managed;
    for (const Command* command : all_commands()) {
        std::string_view name = command->name;
        for (std::string_view alias : command->aliases)
            if (!alias.empty() && alias.find(' ') == std::string_view::npos) name = alias;
        if (command->hidden || name.find(' ') != std::string_view::npos) continue;
        const bool is_common =
            std::find(std::begin(common), std::end(common), name) != std::end(common);
        (is_common ? first : others).push_back({name, command->summary});
    }
    const auto rank = [](const Entry& entry) {
        return std::find(std::begin(common), std::end(common), entry.name) - std::begin(common);
    };
    std::sort(first.begin(), first.end(),
              [&](const Entry& a, const Entry& b) { return rank(a) < rank(b); });
    std::sort(others.begin(), others.end(),
              [](const Entry& a, const Entry& b) { return a.name < b.name; });
    for (const Group& group : groups) managed.push_back({group.name, group.summary});
    return fmt::format(
        "Usage:  {0} [OPTIONS] COMMAND\n\nA fast engine for containers\n\nCommon Commands:\n{1}\n"
        "Management Commands:\n{2}\nCommands:\n{3}\nGlobal Options:\n{4}\nRun '{0} COMMAND --help' "
        "for more information on a command.\n",
        program, format_entries(first), format_entries(managed), format_entries(others),
        format_flags(globals, width));
}

}  // namespace hull::cli
