#include "cli/commands.hh"
#include "cli/each.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"force", 'f', FlagType::boolean, "Ignore volumes and drivers that are not there"},
};

int run(Invocation& call) {
    http::Query query;
    if (call.arguments.flag("force")) query.emplace_back("force", "1");
    return for_each_argument(call, [&](client::Client& daemon, const std::string& name) {
        daemon.remove("/volumes/" + http::encode_percent(name), query);
    });
}

}  // namespace

const Command volume_rm_command{
    .name = "volume rm",
    .aliases = {"volume remove"},
    .usage = "[OPTIONS] VOLUME [VOLUME...]",
    .summary = "Remove one or more volumes",
    .args = at_least(1),
    .flags = flags,
    .run = run,
    .completes = Completes::volumes,
};

}  // namespace hull::cli
