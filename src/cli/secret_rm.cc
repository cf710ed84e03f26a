#include "cli/each.hh"
#include "cli/own_commands.hh"

namespace hull::cli {
namespace {

int run(Invocation& call) {
    return for_each_argument(call, [](client::Client& daemon, const std::string& name) {
        daemon.remove("/secrets/" + http::encode_percent(name));
    });
}

}  // namespace

const Command secret_rm_command{
    .name = "secret rm",
    .aliases = {"secret remove"},
    .usage = "SECRET [SECRET...]",
    .summary = "Remove one or more secrets",
    .args = at_least(1),
    .run = run,
};

}  // namespace hull::cli
