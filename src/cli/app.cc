#include "cli/app.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "cli/command.hh"
#include "cli/help.hh"
#include "cli/session.hh"
#include "cli/terminal.hh"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdlib>
#include <span>
#include <string>
#include <vector>

namespace hull::cli {
namespace {

constexpr int usage_error = 125;

const Command* find_command(std::string_view name) {
    for (const Command* command : all_commands()) {
        if (command->name == name) return command;
        for (std::string_view alias : command->aliases)
            if (!alias.empty() && alias == name) return command;
    }
    return nullptr;
}

const Group* find_group(std::string_view name) {
    for (const Group& group : all_groups())
        if (group.name == name) return &group;
    return nullptr;
}

/// HULL_X, else DOCKER_X, else "".
std::string setting(std::string_view name) {
    for (std::string_view prefix : {"HULL_", "DOCKER_"})
        if (const char* value = ::getenv(fmt::format("{}{}", prefix, name).c_str());
            value && *value)
            return value;
    return "";
}

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

int dispatch(Session& session, std::span<const std::string> words) {
    const std::string& program = session.program;
    if (words.empty()) {
        session.print(program_help(program, help_width()));
        return 0;
    }
    const bool asks_help = words[0] == "help";
    if (asks_help) words = words.subspan(1);
    if (words.empty()) {
        session.print(program_help(program, help_width()));
        return 0;
    }
    const auto show_or_run = [&](const Command& command, std::size_t used) {
        std::string path = program;
        for (std::size_t i = 0; i < used; ++i) path += " " + words[i];
        if (asks_help) {
            session.print(command_help(command, program, path, help_width()));
            return 0;
        }
        return run_command(session, command, path, words.subspan(used));
    };
    if (const Group* group = find_group(words[0])) {
        if (words.size() == 1 || words[1] == "--help" || words[1] == "-h") {
            session.print(group_help(*group, program));
            return 0;
        }
        if (const Command* command = find_command(words[0] + " " + words[1]))
            return show_or_run(*command, 2);
        complain_about_usage(
            session, fmt::format("{0}: unknown command: {0} {1} {2}", program, words[0], words[1]),
            fmt::format("Usage:  {} {} COMMAND", program, words[0]), program + " " + words[0]);
        return 1;
    }
    const Command* command =
        words[0].find(' ') == std::string::npos ? find_command(words[0]) : nullptr;
    if (command) return show_or_run(*command, 1);
    session.complain(
        fmt::format("{0}: unknown command: {0} {1}\n\nRun '{0} --help' for more information",
                    program, words[0]));
    return 1;
}

void choose_host(Session& session, const Arguments& global) {
    const std::vector<std::string>& hosts = global.list("host");
    if (hosts.size() > 1) throw Error(ErrorKind::invalid_argument, "Specify only one -H");
    std::string host = hosts.empty() ? setting("HOST") : hosts[0];
    session.host_is_default = host.empty();
    if (host.empty()) host = "unix:///run/hull.sock";
    if (host.starts_with("/")) host = "unix://" + host;
    session.host = host;
    session.api_version = setting("API_VERSION");
    session.config_directory = global.text("config");
    if (session.config_directory.empty()) session.config_directory = setting("CONFIG");
    if (session.config_directory.empty()) {
        const char* home = ::getenv("HOME");
        session.config_directory = join(home ? home : "/", ".docker");
    }
    session.debug = global.flag("debug");
}

}  // namespace

int run_program(int argc, char** argv) {
    Session session;
    try {
        std::string_view name = argc > 0 ? argv[0] : "hull";
        name.remove_prefix(name.rfind('/') + 1);
        if (name == "docker") session.program = name;
        const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
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
        choose_host(session, global);
        return dispatch(session, global.positional);
    } catch (const Error& error) {
        if (error.error_number() == EPIPE) return 1;
        session.complain(error.message());
        return 1;
    } catch (const std::exception& error) {
        session.complain(error.what());
        return 1;
    }
}

}  // namespace hull::cli
