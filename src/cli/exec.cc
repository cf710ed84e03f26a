#include "base/advice.hh"
#include "base/error.hh"
#include "base/sys.hh"
#include "cli/attached.hh"
#include "cli/commands.hh"
#include "cli/session.hh"
#include "cli/stream.hh"
#include "cli/terminal.hh"
#include "cli/values.hh"

#include <poll.h>
#include <unistd.h>

#include <optional>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"detach", 'd', FlagType::boolean, "Run the command in the background"},
    {"detach-keys", 0, FlagType::text, "Keys that detach from the command"},
    {"env", 'e', FlagType::list, "Set an environment variable", "", check_environment},
    {"env-file", 0, FlagType::list, "Read environment variables from a file"},
    {"interactive", 'i', FlagType::boolean, "Keep STDIN open even if not attached"},
    {"privileged", 0, FlagType::boolean, "Give the command the rights of the host's root"},
    {"tty", 't', FlagType::boolean, "Allocate a pseudo-terminal"},
    {"user", 'u', FlagType::text, "User to run as (<name|uid>[:<group|gid>])"},
    {"workdir", 'w', FlagType::text, "Working directory inside the container"},
};

/// Docker's daemon answers before the process exists, so its first resize may come too early.
bool resize(client::Client& daemon, const std::string& id) {
    const std::optional<WindowSize> size = find_window_size(STDOUT_FILENO);
    if (!size) return true;
    try {
        daemon.resize_exec(id, size->rows, size->columns);
        return true;
    } catch (const Error&) {
        return false;
    }
}

api::ExecCreateRequest make_request(Session& session, const Arguments& arguments) {
    api::ExecCreateRequest request;
    request.user = arguments.text("user");
    request.privileged = arguments.flag("privileged");
    request.tty = arguments.flag("tty");
    request.detach = arguments.flag("detach");
    if (!request.detach) {
        request.attach_stdout = request.attach_stderr = true;
        request.attach_stdin = arguments.flag("interactive");
    }
    request.detach_keys = chosen_detach_keys(session, arguments);
    for (const std::string& path : arguments.list("env-file"))
        for (std::string& item : read_env_file(path)) request.env.push_back(std::move(item));
    for (const std::string& item : arguments.list("env"))
        if (std::optional<std::string> resolved = resolve_environment(item))
            request.env.push_back(std::move(*resolved));
    request.working_dir = arguments.text("workdir");
    request.cmd.assign(arguments.positional.begin() + 1, arguments.positional.end());
    if (request.tty) {
        if (const auto size = find_window_size(STDOUT_FILENO))
            request.console_size = {size->rows, size->columns};
    }
    return request;
}

/// What to do next when the command was not even started: all its output is one line of the
/// daemon's then, of a known kind.
void complain_about_start(const Session& session, std::string_view output) {
    const std::size_t end = output.find_first_of("\r\n");
    if (end == std::string_view::npos || output.find_last_not_of("\r\n") > end) return;
    const Error error(ErrorKind::internal, "{}", output.substr(0, end));
    if (find_advice(error.kind(), error.message()).code == find_advice(error.kind(), "").code)
        return;
    if (const std::string next = session.next_line(error); !next.empty()) session.complain(next);
}

int run_attached(Session& session, const std::string& id, const api::ExecCreateRequest& request) {
    client::Client& daemon = session.daemon();
    api::ExecStartRequest start;
    start.tty = request.tty;
    start.console_size = request.console_size;
    client::Connection connection =
        Session::from_daemon([&] { return daemon.start_exec(id, start); });
    connection.multiplexed = !request.tty;
    SignalQueue signals(false);
    std::optional<RawMode> raw;
    if (request.tty && request.attach_stdin && is_terminal(STDIN_FILENO)) raw.emplace(STDIN_FILENO);
    if (request.tty && is_terminal(STDOUT_FILENO)) {
        for (int attempt = 0; attempt < 10 && !resize(daemon, id); ++attempt)
            sys::poll_one(connection.fd.get(), POLLIN, 5);
    }
    StreamPlan plan;
    plan.use_stdin = request.attach_stdin;
    plan.terminal = request.tty;
    plan.detach_keys = request.detach_keys;
    plan.signals = &signals;
    plan.on_resize = [&] {
        if (request.tty) resize(daemon, id);
    };
    std::string head;  // of the output: the daemon says there why nothing has run
    plan.on_output = [&](std::string_view bytes) {
        constexpr std::size_t longest_reason = 4096;
        if (head.size() < longest_reason) head += bytes;
    };
    const StreamEnd end = stream(connection, plan);
    raw.reset();
    if (end == StreamEnd::detached) {
        session.complain("read escape sequence");
        return 0;
    }
    if (end == StreamEnd::broken) return 1;
    const api::ExecInspect ended = Session::from_daemon([&] { return daemon.inspect_exec(id); });
    const int code = static_cast<int>(ended.exit_code.value_or(0));
    if (code == 126 || code == 127) complain_about_start(session, head);
    return code;
}

int run(Invocation& call) {
    Session& session = call.session;
    const api::ExecCreateRequest request = make_request(session, call.arguments);
    require_terminal(request.attach_stdin, request.tty);
    const std::string id = session.ask([&](client::Client& daemon) {
        return daemon.create_exec(call.arguments.positional[0], request);
    });
    if (request.detach) {
        session.ask([&](client::Client& daemon) { daemon.start_exec_detached(id, request.tty); });
        return 0;
    }
    return run_attached(session, id, request);
}

}  // namespace

const Command exec_command{
    .name = "container exec",
    .aliases = {"exec"},
    .usage = "[OPTIONS] CONTAINER COMMAND [ARG...]",
    .summary = "Execute a command in a running container",
    .args = at_least(2),
    .flags = flags,
    .flags_end_at_positional = true,
    .run = run,
    .completes = Completes::running_containers,
};

}  // namespace hull::cli
