#include "cli/commands.hh"
#include "cli/each.hh"
#include "http/headers.hh"

namespace hull::cli {
namespace {

int run(Invocation& call) {
    return for_each_argument(call, [](client::Client& daemon, const std::string& name) {
        daemon.post("/containers/" + http::encode_percent(name) + "/unpause");
    });
}

}  // namespace

const Command unpause_command{
    .name = "container unpause",
    .aliases = {"unpause"},
    .usage = "CONTAINER [CONTAINER...]",
    .summary = "Resume all processes of one or more containers",
    .args = at_least(1),
    .run = run,
    .completes = Completes::containers,
};

}  // namespace hull::cli
