#include "cli/commands.hh"
#include "cli/each.hh"

namespace hull::cli {
namespace {

int run(Invocation& call) {
    const auto wait = [&](const std::string& name) {
        const api::WaitResponse ended = call.session.ask([&](client::Client& daemon) {
            http::ClientResponse waiting = daemon.start_wait(name, "");
            return client::Client::finish_wait(waiting);
        });
        call.session.print_line(std::to_string(ended.status_code));
    };
    return try_each_argument(call, wait).empty() ? 0 : 1;
}

}  // namespace

const Command wait_command{
    .name = "container wait",
    .aliases = {"wait"},
    .usage = "CONTAINER [CONTAINER...]",
    .summary = "Wait until one or more containers stop, then print their exit codes",
    .args = at_least(1),
    .run = run,
    .completes = Completes::containers,
};

}  // namespace hull::cli
