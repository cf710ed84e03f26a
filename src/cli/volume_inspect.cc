#include "cli/commands.hh"
#include "cli/inspect.hh"
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
            return daemon.get("/volumes/" + http::encode_percent(name));
        });
    });
}

}  // namespace

const Command volume_inspect_command{
    .name = "volume inspect",
    .usage = "[OPTIONS] VOLUME [VOLUME...]",
    .summary = "Print what is known about one or more volumes",
    .args = at_least(1),
    .flags = flags,
    .run = run,
    .completes = Completes::volumes,
};

}  // namespace hull::cli
