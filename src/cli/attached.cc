#include "cli/attached.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "cli/flags.hh"
#include "cli/mount_advice.hh"
#include "cli/session.hh"
#include "cli/stream.hh"
#include "cli/terminal.hh"

#include <poll.h>
#include <unistd.h>

#include <optional>

namespace hull::cli {
namespace {

/// Sends the size of our terminal; a container that ended in between does not mind.
void resize(client::Client& daemon, const std::string& id, bool nudge) {
    const std::optional<WindowSize> size = find_window_size(STDOUT_FILENO);
    if (!size) return;
    try {
        // A program that is attached to redraws only when its size changes.
        if (nudge) daemon.resize_container(id, size->rows + 1U, size->columns + 1U);
        daemon.resize_container(id, size->rows, size->columns);
    } catch (const Error&) {
    }
}

int finish(http::ClientResponse& waiting) {
    const api::WaitResponse ended =
        Session::from_daemon([&] { return client::Client::finish_wait(waiting); });
    if (!ended.error.empty())
        throw Error(ErrorKind::internal, "Error waiting for container: {}", ended.error);
    return static_cast<int>(ended.status_code);
}

}  // namespace

int start_failure_code(std::string_view message) {
    const auto says = [&](std::string_view words) {
        return message.find(words) != std::string_view::npos;
    };
    if (says("executable file not found") || says("no such file or directory")) return 127;
    if (says("permission denied") || says("is a directory") || says("exec format error"))
        return 126;
    return 125;
}

void require_terminal(bool use_stdin, bool terminal) {
    if (use_stdin && terminal && !is_terminal(STDIN_FILENO))
        throw Error(ErrorKind::invalid_argument, "the input device is not a TTY");
}

std::string chosen_detach_keys(Session& session, const Arguments& arguments) {
    std::string keys = arguments.text("detach-keys");
    if (keys.empty() && session.config("detachKeys").is_string())
        keys = session.config("detachKeys").as_string();
    parse_detach_keys(keys);
    return keys;
}

namespace {

/// A container that ended between our look at it and the attach may be started again one day, and
/// the stream would wait for that. One that ended after the attach has ended the stream as well.
void require_life(client::Client& daemon, const std::string& id,
                  const client::Connection& connection) {
    constexpr int moment_ms = 500;
    if (Session::from_daemon([&] { return daemon.inspect_container(id); }).state.running) return;
    if (sys::poll_one(connection.fd.get(), POLLIN, moment_ms)) return;
    throw Error(ErrorKind::conflict, "cannot attach to a stopped container, start it first");
}

}  // namespace

AttachResult attach(Session& session, const AttachPlan& plan) {
    client::Client& daemon = session.daemon();
    // From here on a signal for the program waits until there is a program.
    SignalQueue signals(plan.proxy_signals);
    client::AttachOptions options;
    options.use_stdin = plan.use_stdin;
    options.use_stdout = plan.use_stdout;
    options.use_stderr = plan.use_stderr;
    options.detach_keys = plan.detach_keys;
    client::Connection connection =
        Session::from_daemon([&] { return daemon.attach_container(plan.id, options); });
    connection.multiplexed = !plan.terminal;

    client::Client waiter = session.make_client();
    http::ClientResponse waiting =
        Session::from_daemon([&] { return waiter.start_wait(plan.id, plan.wait_condition); });

    if (!plan.start) require_life(daemon, plan.id, connection);

    std::optional<RawMode> raw;
    if (plan.terminal && plan.use_stdin && is_terminal(STDIN_FILENO)) raw.emplace(STDIN_FILENO);
    if (plan.start) {
        try {
            Session::from_daemon([&] { daemon.start_container(plan.id, plan.detach_keys); });
        } catch (const Error&) {
            // --rm: the name is free again when we return. Bounded, the daemon may be in trouble.
            if (plan.wait_condition == "removed" && !waiting.has_buffered())
                sys::poll_one(waiting.fd(), POLLIN, 2000);
            throw;
        }
    }
    if (plan.terminal) resize(daemon, plan.id, !plan.start);

    StreamPlan streams;
    streams.use_stdin = plan.use_stdin;
    streams.has_output = plan.use_stdout || plan.use_stderr;
    streams.terminal = plan.terminal;
    streams.detach_keys = plan.detach_keys;
    streams.signals = &signals;
    streams.wait = &waiting;
    streams.on_signal = [&](int signal_number) {
        try {
            daemon.kill_container(plan.id, std::to_string(signal_number));
        } catch (const Error&) {
            // It ended in between; the wait tells.
        }
    };
    streams.on_resize = [&] {
        if (plan.terminal) resize(daemon, plan.id, false);
    };
    if (plan.advice) streams.on_output = [&](std::string_view bytes) { plan.advice->see(bytes); };
    const StreamEnd end = stream(connection, streams);
    raw.reset();
    if (end == StreamEnd::detached) {
        session.complain("read escape sequence");
        return {.detached = true};
    }
    if (end == StreamEnd::broken) return {.broken = true, .exit_code = 1};
    const int code = finish(waiting);
    if (plan.advice && code != 0)
        if (const std::string line = plan.advice->line(); !line.empty())
            session.complain(fmt::format("{}: {}", session.program, line));
    return {.exit_code = code};
}

}  // namespace hull::cli
