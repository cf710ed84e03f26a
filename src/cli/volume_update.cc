#include "base/error.hh"
#include "cli/session.hh"
#include "cli/volume_commands.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"availability", 0, FlagType::text,
     "Availability of a cluster volume: \"active\", \"pause\" or \"drain\"", "active"},
};

/// Only volumes of a cluster can be changed, and those are Swarm's.
int run(Invocation& call) {
    call.session.ask([&](client::Client& daemon) {
        daemon.get("/volumes/" + http::encode_percent(call.arguments.positional[0]));
    });
    throw Error(ErrorKind::unsupported, "Can only update cluster volumes");
}

}  // namespace

const Command volume_update_command{
    .name = "volume update",
    .usage = "[OPTIONS] VOLUME",
    .summary = "Update a volume (cluster volumes only)",
    .args = exactly(1),
    .flags = flags,
    .run = run,
    .completes = Completes::volumes,
};

}  // namespace hull::cli
