#include "cli/commands.hh"
#include "cli/confirm.hh"
#include "cli/prune.hh"
#include "cli/session.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"filter", 0, FlagType::filter,
     "Remove only containers that match (e.g. \"until=<timestamp>\")"},
    {"force", 'f', FlagType::boolean, "Do not ask"},
};

int run(Invocation& call) {
    if (!call.arguments.flag("force") &&
        !confirm(call.session, "WARNING! This will remove all stopped containers.")) {
        call.session.complain("container prune has been cancelled, nothing was removed");
        return 0;  // the answer was no: that is no failure
    }
    print_pruned(call.session,
                 {prune_containers(call.session, prune_filters(call.session, call.arguments))});
    return 0;
}

}  // namespace

const Command container_prune_command{
    .name = "container prune",
    .usage = "[OPTIONS]",
    .summary = "Remove all stopped containers",
    .args = exactly(0),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
