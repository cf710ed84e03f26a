#include "cli/commands.hh"
#include "cli/each.hh"
#include "cli/stop_flags.hh"

namespace hull::cli {
namespace {

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    http::Query query;
    if (arguments.given("signal")) query.emplace_back("signal", arguments.text("signal"));
    if (const std::optional<int> timeout_s = stop_timeout_s(arguments))
        query.emplace_back("t", std::to_string(*timeout_s));
    return for_each_argument_at_once(call, [&](client::Client& daemon, const std::string& name) {
        const http::ClientResponse reply =
            daemon.request("POST", "/containers/" + http::encode_percent(name) + "/stop", query);
        // 199 AGENT "TEXT"
        const std::string_view warning = reply.headers.get("Warning");
        const std::size_t quote = warning.find('"');
        if (quote == std::string_view::npos || !warning.ends_with('"')) return;
        call.session.complain(
            fmt::format("WARNING: {}", warning.substr(quote + 1, warning.size() - quote - 2)));
    });
}

}  // namespace

const Command stop_command{
    .name = "container stop",
    .aliases = {"stop"},
    .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
    .summary = "Stop one or more running containers",
    .args = at_least(1),
    .flags = stop_flags,
    .run = run,
    .completes = Completes::running_containers,
};

}  // namespace hull::cli
