#include "cli/commands.hh"
#include "cli/each.hh"
#include "http/headers.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"signal", 's', FlagType::text, "Signal that asks the container to stop"},
    {"timeout", 't', FlagType::integer, "Seconds to wait before killing"},
};

int run(Invocation& call) {
    http::Query query;
    if (call.arguments.given("signal")) query.emplace_back("signal", call.arguments.text("signal"));
    if (call.arguments.given("timeout")) query.emplace_back("t", call.arguments.text("timeout"));
    return for_each_argument(call, [&](client::Client& daemon, const std::string& name) {
        daemon.post("/containers/" + http::encode_percent(name) + "/restart", query);
    });
}

}  // namespace

const Command restart_command{
    .name = "container restart",
    .aliases = {"restart"},
    .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
    .summary = "Restart one or more containers",
    .args = at_least(1),
    .flags = flags,
    .run = run,
    .completes = Completes::containers,
};

}  // namespace hull::cli
