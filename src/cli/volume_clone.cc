#include "api/types/volume.hh"
#include "cli/session.hh"
#include "cli/volume_commands.hh"

namespace hull::cli {
namespace {

int clone(Invocation& call, bool snapshot) {
    const std::vector<std::string>& names = call.arguments.positional;
    http::Query query;
    if (names.size() > 1) query.emplace_back("name", names[1]);
    if (snapshot) query.emplace_back("snapshot", "1");
    const auto volume = api::parse<api::Volume>(call.session.ask([&](client::Client& daemon) {
        return daemon.post("/volumes/" + http::encode_percent(names[0]) + "/clone", query);
    }));
    call.session.print_line(volume.name);
    return 0;
}

int run_clone(Invocation& call) { return clone(call, false); }
int run_snapshot(Invocation& call) { return clone(call, true); }

}  // namespace

const Command volume_clone_command{
    .name = "volume clone",
    .usage = "VOLUME NEW_NAME",
    .summary = "Make a volume with all that another one has",
    .args = exactly(2),
    .run = run_clone,
    .completes = Completes::volumes,
};

const Command volume_snapshot_command{
    .name = "volume snapshot",
    .usage = "VOLUME [NAME]",
    .summary = "Clone a volume while the containers that use it are paused",
    .args = between(1, 2),
    .run = run_snapshot,
    .completes = Completes::volumes,
};

}  // namespace hull::cli
