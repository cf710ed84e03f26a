#include "cli/commands.hh"
#include "cli/each.hh"
#include "cli/stop_flags.hh"
#include "http/headers.hh"

namespace hull::cli {
namespace {

int run(Invocation& call) {
    http::Query query;
    if (call.arguments.given("signal")) query.emplace_back("signal", call.arguments.text("signal"));
    if (const std::optional<int> timeout_s = stop_timeout_s(call.arguments))
        query.emplace_back("t", std::to_string(*timeout_s));
    return for_each_argument_at_once(call, [&](client::Client& daemon, const std::string& name) {
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
    .flags = stop_flags,
    .run = run,
    .completes = Completes::containers,
};

}  // namespace hull::cli
