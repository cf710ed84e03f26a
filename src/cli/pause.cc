#include "cli/commands.hh"
#include "cli/each.hh"
#include "http/headers.hh"

namespace hull::cli {
namespace {

int run(Invocation& call) {
    return for_each_argument(call, [](client::Client& daemon, const std::string& name) {
        daemon.post("/containers/" + http::encode_percent(name) + "/pause");
    });
}

}  // namespace

const Command pause_command{
    .name = "container pause",
    .aliases = {"pause"},
    .usage = "CONTAINER [CONTAINER...]",
    .summary = "Pause all processes of one or more containers",
    .args = at_least(1),
    .run = run,
    .completes = Completes::running_containers,
};

}  // namespace hull::cli
