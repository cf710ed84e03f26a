#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/session.hh"

namespace hull::cli {
namespace {

int run(Invocation& call) {
    const std::vector<std::string>& names = call.arguments.positional;
    call.session.ask([&](client::Client& daemon) {
        daemon.post("/containers/" + http::encode_percent(names[0]) + "/rename",
                    {{"name", names[1]}});
    });
    return 0;
}

}  // namespace

const Command rename_command{
    .name = "container rename",
    .aliases = {"rename"},
    .usage = "CONTAINER NEW_NAME",
    .summary = "Rename a container",
    .args = exactly(2),
    .run = run,
    .completes = Completes::containers,
};

}  // namespace hull::cli
