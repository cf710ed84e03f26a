#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/inspect.hh"
#include "cli/session.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"as", 0, FlagType::text, "Print what makes the container again: \"run\" or \"compose\""},
    {"format", 'f', FlagType::text, "'json' or a Go TEMPLATE"},
    {"size", 's', FlagType::boolean, "Show how much the container takes on disk"},
};

int run(Invocation& call) {
    if (call.arguments.given("as"))
        return print_recipes(call.session, call.arguments.positional, call.arguments.text("as"));
    return inspect_each(call.session, call.arguments.positional, call.arguments.text("format"),
                        [&](const std::string& name) {
        return call.session.ask([&](client::Client& daemon) {
            return daemon.inspect_container_json(name, call.arguments.flag("size"));
        });
    });
}

}  // namespace

const Command container_inspect_command{
    .name = "container inspect",
    .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
    .summary = "Print what is known about one or more containers",
    .args = at_least(1),
    .flags = flags,
    .run = run,
    .completes = Completes::containers,
};

}  // namespace hull::cli
