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

/// Where messages go: set once from the global flags, read by the log writer, which is a plain
/// function.
struct LogTarget {
    Fd file;
    bool is_json = false;
} log_target;

constexpr std::string_view level_names[] = {"debug", "info", "warning", "error"};

/// Callers take the reason of a failure from the last error line of the file (containerd, podman).
void write_log(log::Level level, std::string_view text) noexcept {
    try {
        std::string_view name = level_names[static_cast<int>(level)];
        std::string time = format_rfc3339(now_ns());
        std::string line =
            log_target.is_json
                ? json::dump(json::Object{{"level", name}, {"msg", text}, {"time", time}}) + "\n"
                : fmt::format("time=\"{}\" level={} msg={}\n", time, name,
                              json::dump(json::Value(text)));
        sys::write_all(log_target.file ? log_target.file.get() : STDERR_FILENO, line);
    } catch (const std::exception&) {  // nowhere left to say it
    }
}

void open_log(const Options& options) {
    std::string format = options.get("log-format", "text");
    if (format != "text" && format != "json")
        throw Error(ErrorKind::invalid_argument, "invalid log-format: {}", format);
    log_target.is_json = format == "json";
    if (auto path = options.find("log"); path && !path->empty())
        log_target.file = sys::open(*path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    log::set_writer(write_log);
    if (options.has("debug")) log::set_level(log::Level::debug);
}

std::optional<bool> parse_rootless(const std::string& word) {
    if (word == "auto") return std::nullopt;
    if (word == "true" || word == "false") return word == "true";
    throw Error(ErrorKind::invalid_argument, "--rootless is true, false or auto, not {:?}", word);
}

void report(std::string_view message) {
    write_log(log::Level::error, message);
    if (log_target.file) sys::write_all(STDERR_FILENO, fmt::format("{}\n", message));
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
    open_log(options);
    const RuntimeCommand& command = get_command(options.positional()[0]);
    std::vector<std::string> words(options.positional().begin() + 1, options.positional().end());
    for (const std::string& word : words) {
        if (word == "--help" || word == "-h") {
            sys::write_all(STDOUT_FILENO, make_command_help(command));
            return 0;
        }
        if (word == "--" || !word.starts_with('-')) break;
    }
    GlobalOptions global{.states = StateDirectory(options.get("root", default_state_root())),
                         .systemd_cgroup = options.has("systemd-cgroup"),
                         .rootless = parse_rootless(options.get("rootless", "auto")),
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
        report(error.what());
        bool is_exec = !options.positional().empty() && options.positional()[0] == "exec";
        return is_exec ? 255 : 1;
    }
}
