#include "cli/commands.hh"
#include "cli/confirm.hh"
#include "cli/prune.hh"
#include "cli/session.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"dry-run", 0, FlagType::boolean, "Only show what would go"},
    {"filter", 0, FlagType::filter,
     "Remove only containers that match (e.g. \"until=<timestamp>\")"},
    {"force", 'f', FlagType::boolean, "Do not ask"},
    {"why-not", 0, FlagType::text, "Say why the object of this name or ID stays"},
};

int run(Invocation& call) {
    if (call.arguments.given("why-not"))
        return explain_why_not(call.session, call.arguments.text("why-not"), {.containers = true});
    const bool dry_run = call.arguments.flag("dry-run");
    if (!dry_run && !call.arguments.flag("force") &&
        !confirm(call.session, "WARNING! This will remove all stopped containers.")) {
        call.session.complain("container prune has been cancelled, nothing was removed");
        return 0;  // the answer was no: that is no failure
    }
    print_pruned(
        call.session,
        {prune_containers(call.session, prune_filters(call.session, call.arguments), dry_run)},
        dry_run);
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
