#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/session.hh"

namespace hull::cli {
namespace {

int run(Invocation& call) {
    int code = 0;
    for (const std::string& name : call.arguments.positional) {
        try {
            const api::WaitResponse ended = call.session.ask([&](client::Client& daemon) {
                http::ClientResponse waiting = daemon.start_wait(name, "");
                return client::Client::finish_wait(waiting);
            });
            call.session.print_line(std::to_string(ended.status_code));
        } catch (const Error& error) {
            if (error.error_number() != 0) throw;
            call.session.complain(error.message());
            code = 1;
        }
    }
    return code;
}

}  // namespace

const Command wait_command{
    .name = "container wait",
    .aliases = {"wait"},
    .usage = "CONTAINER [CONTAINER...]",
    .summary = "Wait until one or more containers stop, then print their exit codes",
    .args = at_least(1),
    .run = run,
};

}  // namespace hull::cli
