#include "cli/commands.hh"
#include "cli/each.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"signal", 's', FlagType::text, "Signal to send"},
};

int run(Invocation& call) {
    return for_each_argument_at_once(call, [&](client::Client& daemon, const std::string& name) {
        daemon.kill_container(name, call.arguments.text("signal"));
    });
}

}  // namespace

const Command kill_command{
    .name = "container kill",
    .aliases = {"kill"},
    .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
    .summary = "Kill one or more running containers",
    .args = at_least(1),
    .flags = flags,
    .run = run,
    .completes = Completes::running_containers,
};

}  // namespace hull::cli
