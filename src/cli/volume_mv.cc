#include "cli/session.hh"
#include "cli/volume_commands.hh"

namespace hull::cli {
namespace {

int run(Invocation& call) {
    const std::vector<std::string>& names = call.arguments.positional;
    call.session.ask([&](client::Client& daemon) {
        daemon.post("/volumes/" + http::encode_percent(names[0]) + "/rename", {{"name", names[1]}});
    });
    return 0;
}

}  // namespace

const Command volume_mv_command{
    .name = "volume mv",
    .aliases = {"volume rename"},
    .usage = "VOLUME NEW_NAME",
    .summary = "Rename a volume that no container has",
    .args = exactly(2),
    .run = run,
    .completes = Completes::volumes,
};

}  // namespace hull::cli
