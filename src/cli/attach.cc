#include "base/error.hh"
#include "cli/attached.hh"
#include "cli/commands.hh"
#include "cli/session.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"detach-keys", 0, FlagType::text, "Keys that detach from the container"},
    {"no-stdin", 0, FlagType::boolean, "Do not attach STDIN"},
    {"sig-proxy", 0, FlagType::boolean, "Pass signals on to the container", "true"},
};

int run(Invocation& call) {
    Session& session = call.session;
    const api::ContainerInspect container = session.ask([&](client::Client& daemon) {
        return daemon.inspect_container(call.arguments.positional[0]);
    });
    const api::State& state = container.state;
    if (!state.running)
        throw Error(ErrorKind::conflict, "cannot attach to a stopped container, start it first");
    if (state.paused)
        throw Error(ErrorKind::conflict, "cannot attach to a paused container, unpause it first");
    if (state.restarting)
        throw Error(ErrorKind::conflict,
                    "cannot attach to a restarting container, wait until it is running");
    AttachPlan plan;
    plan.id = container.id;
    plan.terminal = container.config.tty;
    plan.use_stdin = !call.arguments.flag("no-stdin") && container.config.open_stdin;
    plan.detach_keys = chosen_detach_keys(session, call.arguments);
    plan.proxy_signals = call.arguments.flag("sig-proxy") && !plan.terminal;
    plan.wait_condition = "not-running";
    require_terminal(plan.use_stdin, plan.terminal);
    return attach(session, plan).exit_code;
}

}  // namespace

const Command attach_command{
    .name = "container attach",
    .aliases = {"attach"},
    .usage = "[OPTIONS] CONTAINER",
    .summary = "Attach our standard streams to a running container",
    .args = exactly(1),
    .flags = flags,
    .run = run,
    .completes = Completes::running_containers,
};

}  // namespace hull::cli
