#include "cli/app.hh"

#include "base/error.hh"
#include "cli/command.hh"
#include "cli/endpoint.hh"
#include "cli/help.hh"
#include "cli/session.hh"
#include "cli/terminal.hh"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

namespace hull::cli {
namespace {

constexpr int usage_error = 125;

std::string plural(int count) { return count == 1 ? "argument" : "arguments"; }

/// "" when the number of arguments is right.
std::string check_arguments(const Command& command, std::string_view path, std::size_t given) {
    const auto [min, max] = command.args;
    const int count = static_cast<int>(given);
    if (count >= min && (max < 0 || count <= max)) return "";
    std::string rule;
    if (max == 0)
        rule = "accepts no arguments";
    else if (min == max)
        rule = fmt::format("requires {} {}", min, plural(min));
    else if (max < 0)
        rule = fmt::format("requires at least {} {}", min, plural(min));
    else if (min == 0)
        rule = fmt::format("requires at most {} {}", max, plural(max));
    else
        rule = fmt::format("requires at least {} and at most {} {}", min, max, plural(max));
    return fmt::format("'{}' {}", path, rule);
}

void complain_about_usage(const Session& session, std::string_view problem,
                          const std::string& usage, std::string_view path) {
    session.complain(
        fmt::format("{}\n\n{}\n\nRun '{} --help' for more information", problem, usage, path));
}

int run_command(Session& session, const Command& command, const std::string& path,
                std::span<const std::string> words) {
    Arguments arguments{std::span<const Flag>()};
    try {
        if (command.raw_arguments)
            arguments.positional.assign(words.begin(), words.end());
        else
            arguments = parse_flags(command.flags, words, command.flags_end_at_positional);
    } catch (const Error& error) {
        complain_about_usage(session, error.message(), usage_line(command, path), path);
        return usage_error;
    }
    if (arguments.help) {
        session.print(command_help(command, session.program, path, help_width()));
        return 0;
    }
    const std::string problem = check_arguments(command, path, arguments.positional.size());
    if (!problem.empty()) {
        complain_about_usage(session, session.program + ": " + problem, usage_line(command, path),
                             path);
        return 1;
    }
    Invocation invocation{session, arguments, path};
    return command.run(invocation);
}

/// How many letters to add, drop or change to make one word of the other.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row[b.size()];
}

/// " (did you mean X?)" for a command or group that is typed almost like `word`; `group` is "" or
/// "container ".
std::string suggestion(std::string_view group, std::string_view word) {
    constexpr std::size_t too_far = 3;
    std::string best;
    std::size_t distance = std::min(too_far, word.size());
    const auto offer = [&](std::string_view name) {
        if (name.empty() || !name.starts_with(group)) return;
        name.remove_prefix(group.size());
        if (name.find(' ') != std::string_view::npos) return;
        if (const std::size_t other = edit_distance(word, name); other < distance) {
            distance = other;
            best = name;
        }
    };
    for (const Command* command : all_commands()) {
        if (command->hidden) continue;
        offer(command->name);
        for (std::string_view alias : command->aliases) offer(alias);
    }
    for (const Group& entry : all_groups()) offer(entry.name);
    return best.empty() ? "" : fmt::format(" (did you mean {}?)", best);
}

int unknown_command(const Session& session, const Group* group,
                    std::span<const std::string> words) {
    const std::string& program = session.program;
    if (!group) {
        session.complain(
            fmt::format("{0}: unknown command: {0} {1}{2}\n\nRun '{0} --help' for more information",
                        program, words[0], suggestion("", words[0])));
        return 1;
    }
    complain_about_usage(session,
                         fmt::format("{0}: unknown command: {0} {1} {2}{3}", program, words[0],
                                     words[1], suggestion(words[0] + " ", words[1])),
                         fmt::format("Usage:  {} {} COMMAND", program, words[0]),
                         program + " " + words[0]);
    return 1;
}

/// What the first words name: a command of one or two words, or a group.
struct Named {
    const Command* command = nullptr;
    const Group* group = nullptr;
    std::size_t used = 0;  ///< words of the name
};

Named find_named(std::span<const std::string> words) {
    Named named;
    named.group = find_group(words[0]);
    if (named.group && words.size() > 1) {
        named.command = find_command(words[0] + " " + words[1]);
        named.used = 2;
    } else if (!named.group && words[0].find(' ') == std::string::npos) {
        // `build history` beside `build PATH`: a directory of that name is ./history.
        if (words.size() > 1 && words[0] == "build")
            named.command = find_command(words[0] + " " + words[1]);
        named.used = named.command ? 2 : 1;
        if (!named.command) named.command = find_command(words[0]);
    }
    return named;
}

int show_help(const Session& session, std::span<const std::string> words) {
    if (words.empty()) {
        session.print(program_help(session.program, help_width()));
        return 0;
    }
    const Named named = find_named(words);
    if (named.command) {
        std::string path = session.program;
        for (const std::string& word : words.first(named.used)) path += " " + word;
        session.print(command_help(*named.command, session.program, path, help_width()));
        return 0;
    }
    if (named.group && words.size() == 1) {
        session.print(group_help(*named.group, session.program));
        return 0;
    }
    std::string topic;
    for (const std::string& word : words) topic += (topic.empty() ? "" : " ") + word;
    session.complain(fmt::format("unknown help topic: {}", topic));
    return 1;
}

int dispatch(Session& session, std::span<const std::string> words);

/// Takes the flags of a group off and goes on with the command's words.
int dispatch_group(Session& session, const Group& group, std::span<const std::string> words) {
    const std::string path = session.program + " " + words[0];
    Arguments arguments{std::span<const Flag>()};
    try {
        arguments = parse_flags(group.flags, words.subspan(1), true);
    } catch (const Error& error) {
        complain_about_usage(session, error.message(),
                             fmt::format("Usage:  {} [OPTIONS] COMMAND", path), path);
        return usage_error;
    }
    std::vector<std::string> rest{words[0]};
    if (arguments.help) {
        rest.push_back("--help");
        arguments = parse_flags(group.flags, {}, true);
    }
    rest.insert(rest.end(), arguments.positional.begin(), arguments.positional.end());
    session.group_arguments = &arguments;
    return dispatch(session, rest);
}

int dispatch(Session& session, std::span<const std::string> words) {
    if (const Group* group = words.empty() ? nullptr : find_group(words[0]);
        group && !group->flags.empty() && !session.group_arguments)
        return dispatch_group(session, *group, words);
    if (words.empty()) return show_help(session, words);
    if (words[0] == "help") return show_help(session, words.subspan(1));
    const Named named = find_named(words);
    if (named.group && (words.size() == 1 || words[1] == "--help" || words[1] == "-h"))
        return show_help(session, words.first(1));
    if (!named.command) return unknown_command(session, named.group, words);
    std::string path = session.program;
    for (const std::string& word : words.first(named.used)) path += " " + word;
    return run_command(session, *named.command, path, words.subspan(named.used));
}

}  // namespace

int run_program(int argc, char** argv) {
    Session session;
    try {
        std::string_view name = argc > 0 ? argv[0] : "hull";
        name.remove_prefix(name.rfind('/') + 1);
        if (name == "docker") session.program = name;
        std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
        if (name == "hull-compose" || name == "docker-compose")
            words.insert(words.begin(), "compose");
        Arguments global{std::span<const Flag>()};
        try {
            global = parse_flags(global_flags(), words, true);
        } catch (const Error& error) {
            complain_about_usage(
                session, error.message(),
                fmt::format("Usage:  {} [OPTIONS] COMMAND [ARG...]", session.program),
                session.program);
            return usage_error;
        }
        if (global.help) {
            session.print(program_help(session.program, help_width()));
            return 0;
        }
        if (global.flag("version")) {
            session.print_line(fmt::format(
                "{} version {}", session.program == "docker" ? "Docker" : "Hull", HULL_VERSION));
            return 0;
        }
        choose_endpoint(session, global);
        return dispatch(session, global.positional);
    } catch (const Error& error) {
        if (error.error_number() == EPIPE) return 1;
        session.complain_about(error);
        return 1;
    } catch (const std::exception& error) {
        session.complain(error.what());
        return 1;
    }
}

}  // namespace hull::cli
