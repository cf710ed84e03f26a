#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/confirm.hh"
#include "cli/prune.hh"
#include "cli/session.hh"

#include <algorithm>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"all", 'a', FlagType::boolean, "Remove all unused volumes, not only anonymous ones"},
    {"filter", 0, FlagType::filter, "Remove only volumes that match (e.g. \"label=<label>\")"},
    {"force", 'f', FlagType::boolean, "Do not ask"},
};

int run(Invocation& call) {
    const bool all = call.arguments.flag("all");
    std::vector<std::string> filters = prune_filters(call.session, call.arguments);
    if (all && std::any_of(filters.begin(), filters.end(),
                           [](const std::string& filter) { return filter.starts_with("all="); }))
        throw Error(ErrorKind::invalid_argument,
                    "conflicting options: cannot specify both --all and --filter all=1");
    if (all) filters.push_back("all=true");
    const std::string question =
        all ? "WARNING! This will remove all local volumes not used by at least one container."
            : "WARNING! This will remove anonymous local volumes not used by at least one "
              "container.";
    if (!call.arguments.flag("force") && !confirm(call.session, question)) {
        call.session.complain("volume prune has been cancelled, nothing was removed");
        return 0;  // the answer was no: that is no failure
    }
    print_pruned(call.session, {prune_volumes(call.session, filters)});
    return 0;
}

}  // namespace

const Command volume_prune_command{
    .name = "volume prune",
    .usage = "[OPTIONS]",
    .summary = "Remove unused volumes",
    .args = exactly(0),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
