#include "cli/commands.hh"
#include "cli/inspect.hh"
#include "cli/session.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"format", 'f', FlagType::text, "'json' or a Go TEMPLATE"},
    {"verbose", 'v', FlagType::boolean, "Also what only a swarm has"},
};

int run(Invocation& call) {
    http::Query query;
    if (call.arguments.flag("verbose")) query.emplace_back("verbose", "1");
    return inspect_each(call.session, call.arguments.positional, call.arguments.text("format"),
                        [&](const std::string& name) {
        return call.session.ask([&](client::Client& daemon) {
            return daemon.get("/networks/" + http::encode_percent(name), query);
        });
    });
}

}  // namespace

const Command network_inspect_command{
    .name = "network inspect",
    .usage = "[OPTIONS] NETWORK [NETWORK...]",
    .summary = "Print what is known about one or more networks",
    .args = at_least(1),
    .flags = flags,
    .run = run,
    .completes = Completes::networks,
};

}  // namespace hull::cli
