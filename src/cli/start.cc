#include "cli/attached.hh"
#include "cli/commands.hh"
#include "cli/each.hh"
#include "cli/session.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"attach", 'a', FlagType::boolean, "Attach STDOUT and STDERR and pass signals on"},
    {"checkpoint", 0, FlagType::text, "Restore from this checkpoint"},
    {"checkpoint-dir", 0, FlagType::text, "Directory of the checkpoint"},
    {"detach-keys", 0, FlagType::text, "Keys that detach from the container"},
    {"interactive", 'i', FlagType::boolean, "Attach STDIN"},
};

int start_attached(Invocation& call) {
    Session& session = call.session;
    const std::string& name = call.arguments.positional[0];
    const api::ContainerInspect container =
        session.ask([&](client::Client& daemon) { return daemon.inspect_container(name); });
    AttachPlan plan;
    plan.id = container.id;
    plan.terminal = container.config.tty;
    plan.use_stdin = call.arguments.flag("interactive") && container.config.open_stdin;
    plan.detach_keys = chosen_detach_keys(session, call.arguments);
    plan.start = true;
    plan.proxy_signals = !plan.terminal;
    plan.wait_condition = container.host_config.auto_remove ? "removed" : "next-exit";
    require_terminal(plan.use_stdin, plan.terminal);
    try {
        return attach(session, plan).exit_code;
    } catch (const Error& error) {
        session.complain_about(error);
        return start_failure_code(error.message()) == 125 ? 1 : start_failure_code(error.message());
    }
}

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    if (arguments.given("checkpoint") || arguments.given("checkpoint-dir"))
        throw Error(ErrorKind::unsupported, "checkpoints are not supported");
    if (arguments.flag("attach") || arguments.flag("interactive")) {
        if (arguments.positional.size() > 1)
            throw Error(ErrorKind::invalid_argument,
                        "you cannot start and attach multiple containers at once");
        return start_attached(call);
    }
    const auto start = [&](const std::string& name) {
        call.session.ask([&](client::Client& daemon) { daemon.start_container(name); });
        call.session.print_line(name);
    };
    std::string failed;
    for (const Refusal& refusal : try_each_argument(call, start))
        failed += (failed.empty() ? "" : ", ") + refusal.name;
    if (failed.empty()) return 0;
    call.session.complain("Error: failed to start containers: " + failed);
    return 1;
}

}  // namespace

const Command start_command{
    .name = "container start",
    .aliases = {"start"},
    .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
    .summary = "Start one or more stopped containers",
    .args = at_least(1),
    .flags = flags,
    .run = run,
    .completes = Completes::stopped_containers,
};

}  // namespace hull::cli
