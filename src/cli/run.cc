#include "base/error.hh"
#include "cli/attached.hh"
#include "cli/commands.hh"
#include "cli/create_flags.hh"
#include "cli/mount_advice.hh"
#include "cli/published_ports.hh"
#include "cli/session.hh"
#include "cli/terminal.hh"

#include <unistd.h>

namespace hull::cli {
namespace {

constexpr auto flags = concat(
    create_flags,
    std::to_array<Flag>({
        {"detach", 'd', FlagType::boolean, "Run in the background and print the container's ID"},
        {"detach-keys", 0, FlagType::text, "Keys that detach from the container"},
        {"sig-proxy", 0, FlagType::boolean, "Pass signals on to the container", "true"},
    }));

int complain(const Invocation& call, const Error& error, int code) {
    const std::string next = call.session.next_line(error);
    call.session.complain(fmt::format(
        "{}: {}\n{}", call.session.program, error.message(),
        next.empty() ? fmt::format("\nRun '{} --help' for more information", call.path) : next));
    return code;
}

/// For who sits there: scripts see nothing of it.
void tell_reach(Session& session, const std::string& id) {
    constexpr std::size_t most_lines = 5;
    if (session.program != "hull" || !is_terminal(STDERR_FILENO)) return;
    try {
        const auto ports = list_published_ports(
            session.ask([&](client::Client& daemon) { return daemon.inspect_container_json(id); }));
        if (ports.empty()) return;
        const Reachability way = find_reachability(session);
        const auto lines = describe_reach(ports, way.passes_input);
        for (const std::string& obstacle : way.obstacles) session.complain(obstacle);
        for (std::size_t i = 0; i < lines.size() && i < most_lines; ++i)
            session.complain("published " + lines[i]);
        if (lines.size() > most_lines)
            session.complain(fmt::format("and {} more: {} port --reachable {}",
                                         lines.size() - most_lines, session.program,
                                         id.substr(0, 12)));
    } catch (const Error&) {
        // It has run, and may be gone already.
    }
}

int run(Invocation& call) {
    Session& session = call.session;
    const bool detach = call.arguments.flag("detach");
    if (detach && !call.arguments.list("attach").empty())
        throw Error(ErrorKind::invalid_argument,
                    "conflicting options: cannot specify both --attach and --detach");
    api::CreateRequest request;
    CreatedContainer container;
    AttachPlan plan;
    try {
        request = make_create_request(session, call.arguments);
        api::ContainerConfig& config = request.config;
        if (detach) {
            config.attach_stdin = config.attach_stdout = config.attach_stderr = false;
            config.stdin_once = false;
        }
        if (config.tty) {
            if (const auto size = find_window_size(STDOUT_FILENO))
                request.host_config.console_size = {size->rows, size->columns};
        }
        plan.terminal = config.tty;
        plan.use_stdin = config.attach_stdin;
        plan.use_stdout = config.attach_stdout;
        plan.use_stderr = config.attach_stderr;
        plan.detach_keys = chosen_detach_keys(session, call.arguments);
    } catch (const Error& error) {
        return complain(call, error, 125);
    }
    require_terminal(plan.use_stdin && !detach, plan.terminal);
    try {
        container = create_container(session, call.arguments, request);
    } catch (const Error& error) {
        return complain(call, error, 125);
    }
    const bool attached = plan.use_stdin || plan.use_stdout || plan.use_stderr;
    if (!plan.use_stdout && !plan.use_stderr) session.print_line(container.id);
    try {
        if (!attached) {
            session.ask([&](client::Client& daemon) { daemon.start_container(container.id); });
            if (!request.host_config.port_bindings.empty() || request.host_config.publish_all_ports)
                tell_reach(session, container.id);
            return 0;
        }
        plan.id = container.id;
        plan.start = true;
        plan.wait_condition = request.host_config.auto_remove ? "removed" : "next-exit";
        plan.proxy_signals = call.arguments.flag("sig-proxy");
        MountAdvice advice(session, request);
        plan.advice = &advice;
        return attach(session, plan).exit_code;
    } catch (const Error& error) {
        return complain(call, error, start_failure_code(error.message()));
    }
}

}  // namespace

const Command run_command{
    .name = "container run",
    .aliases = {"run"},
    .usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    .summary = "Create and run a new container from an image",
    .args = at_least(1),
    .flags = flags,
    .flags_end_at_positional = true,
    .run = run,
    .completes = Completes::images,
};

}  // namespace hull::cli
