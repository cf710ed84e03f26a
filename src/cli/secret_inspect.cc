#include "cli/inspect.hh"
#include "cli/own_commands.hh"
#include "cli/session.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"format", 'f', FlagType::text, "'json' or a Go TEMPLATE"},
};

int run(Invocation& call) {
    return inspect_each(call.session, call.arguments.positional, call.arguments.text("format"),
                        [&](const std::string& name) {
        return call.session.ask([&](client::Client& daemon) {
            return daemon.get("/secrets/" + http::encode_percent(name));
        });
    });
}

}  // namespace

const Command secret_inspect_command{
    .name = "secret inspect",
    .usage = "[OPTIONS] SECRET [SECRET...]",
    .summary = "Print what is known about one or more secrets, which is not their text",
    .args = at_least(1),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
