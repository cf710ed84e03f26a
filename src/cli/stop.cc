#include "cli/commands.hh"
#include "cli/each.hh"
#include "cli/stop_flags.hh"

namespace hull::cli {
namespace {

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    const std::optional<int> timeout_s = stop_timeout_s(arguments);
    return for_each_argument(call, [&](client::Client& daemon, const std::string& name) {
        daemon.stop_container(name, arguments.text("signal"), timeout_s);
    });
}

}  // namespace

const Command stop_command{
    .name = "container stop",
    .aliases = {"stop"},
    .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
    .summary = "Stop one or more running containers",
    .args = at_least(1),
    .flags = stop_flags,
    .run = run,
    .completes = Completes::running_containers,
};

}  // namespace hull::cli
