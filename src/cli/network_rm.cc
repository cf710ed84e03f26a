#include "cli/commands.hh"
#include "cli/confirm.hh"
#include "cli/each.hh"
#include "cli/prune.hh"

namespace hull::cli {
namespace {

constexpr Flag rm_flags[] = {
    {"force", 'f', FlagType::boolean, "No error when a network is not there"},
};

constexpr Flag prune_flags[] = {
    {"filter", 0, FlagType::filter, "Remove only networks that match (e.g. \"until=<timestamp>\")"},
    {"force", 'f', FlagType::boolean, "Do not ask"},
};

int run_rm(Invocation& call) {
    const auto remove = [&](const std::string& name) {
        call.session.ask([&](client::Client& daemon) {
            daemon.remove("/networks/" + http::encode_percent(name));
        });
        call.session.print_line(name);
    };
    return removal_code(try_each_argument(call, remove), call.arguments.flag("force"));
}

int run_prune(Invocation& call) {
    if (!call.arguments.flag("force") &&
        !confirm(call.session,
                 "WARNING! This will remove all custom networks not used by at least one "
                 "container.")) {
        call.session.complain("network prune has been cancelled, nothing was removed");
        return 0;  // the answer was no: that is no failure
    }
    call.session.print(
        prune_networks(call.session, prune_filters(call.session, call.arguments)).text);
    return 0;
}

}  // namespace

const Command network_rm_command{
    .name = "network rm",
    .aliases = {"network remove"},
    .usage = "NETWORK [NETWORK...]",
    .summary = "Remove one or more networks",
    .args = at_least(1),
    .flags = rm_flags,
    .run = run_rm,
    .completes = Completes::networks,
};

const Command network_prune_command{
    .name = "network prune",
    .usage = "[OPTIONS]",
    .summary = "Remove all networks without containers",
    .args = exactly(0),
    .flags = prune_flags,
    .run = run_prune,
};

}  // namespace hull::cli
