#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "runtime/commands.hh"
#include "runtime/container.hh"

#include <fcntl.h>
#include <unistd.h>

using namespace hull;
using namespace hull::runtime;

namespace {

constexpr Flag global_flags[] = {
    {"root", "", true, "directory for the state of containers (default: /run/hull-runtime)"},
    {"log", "", true, "file for messages"},
    {"log-format", "", true, "text or json"},
    {"debug", "", false, "say more"},
    {"systemd-cgroup", "", false, "let systemd make the cgroups"},
    {"rootless", "", true, "true, false or auto"},
    {"version", "v", false, "print the version"},
    {"help", "h", false, "print this"},
};

std::string make_help() {
    std::string text =
        "hull-runtime runs OCI bundles.\n\nUSAGE:\n   hull-runtime [global options] "
        "command [command options] [arguments...]\n\nCOMMANDS:\n";
    for (const RuntimeCommand& command : runtime_commands())
        text += fmt::format("   {:<10} {}\n", command.name, command.summary);
    text += "\nGLOBAL OPTIONS:\n";
    for (const Flag& flag : global_flags)
        text += fmt::format("   --{:<16} {}\n", flag.name, flag.help);
    return text;
}

std::string make_command_help(const RuntimeCommand& command) {
    std::string text =
        fmt::format("hull-runtime {}: {}\n\nUSAGE:\n   hull-runtime {} [options] {}\n",
                    command.name, command.summary, command.name, command.usage);
    if (!command.flags.empty()) text += "\nOPTIONS:\n";
    for (const Flag& flag : command.flags)
        text += fmt::format("   --{:<18} {}\n", flag.name, flag.help);
    return text;
}

const RuntimeCommand& get_command(std::string_view name) {
    for (const RuntimeCommand& command : runtime_commands())
        if (command.name == name) return command;
    throw Error(ErrorKind::invalid_argument, "No help topic for '{}'", name);
}

/// Callers read the reason of a failure from the log file; people from standard error.
void report(const Options& global, std::string_view message) {
    std::string line;
    std::string time = format_rfc3339(now_ns());
    if (global.get("log-format", "text") == "json")
        line =
            json::dump(json::Object{{"level", "error"}, {"msg", message}, {"time", time}}) + "\n";
    else
        line =
            fmt::format("time=\"{}\" level=error msg={}\n", time, json::dump(json::Value(message)));
    if (auto path = global.find("log")) {
        try {
            Fd file = sys::open(*path, O_WRONLY | O_CREAT | O_APPEND, 0644);
            sys::write_all(file.get(), line);
        } catch (const Error& error) {
            log::error("{}", error.message());
        }
        line = fmt::format("{}\n", message);
    }
    sys::write_all(STDERR_FILENO, line);
}

int run(const Options& options) {
    if (options.has("version")) {
        sys::write_all(STDOUT_FILENO, "hull-runtime version " HULL_VERSION "\nspec: 1.3.0\n");
        return 0;
    }
    if (options.has("help") || options.positional().empty() || options.positional()[0] == "help") {
        sys::write_all(STDOUT_FILENO, make_help());
        return 0;
    }
    if (options.has("debug")) log::set_level(log::Level::debug);
    std::string format = options.get("log-format", "text");
    if (format != "text" && format != "json")
        throw Error(ErrorKind::invalid_argument, "invalid log-format: {}", format);
    const RuntimeCommand& command = get_command(options.positional()[0]);
    std::vector<std::string> words(options.positional().begin() + 1, options.positional().end());
    for (const std::string& word : words) {
        if (word == "--help" || word == "-h") {
            sys::write_all(STDOUT_FILENO, make_command_help(command));
            return 0;
        }
        if (word == "--" || !word.starts_with('-')) break;
    }
    GlobalOptions global{.states = StateDirectory(options.get("root", "/run/hull-runtime")),
                         .systemd_cgroup = options.has("systemd-cgroup"),
                         .debug = options.has("debug")};
    return command.run(global, Options::parse(command.flags, words, command.stop_at_positional));
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> words(argv + 1, argv + argc);
    Options options;
    try {
        protect_own_executable(argv);
        options = Options::parse(global_flags, words, true);
        return run(options);
    } catch (const std::exception& error) {
        report(options, error.what());
        bool is_exec = !options.positional().empty() && options.positional()[0] == "exec";
        return is_exec ? 255 : 1;
    }
}
