#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/inspect.hh"
#include "cli/session.hh"
#include "cli/values.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"format", 'f', FlagType::text, "'json' or a Go TEMPLATE"},
    {"platform", 0, FlagType::text, "Of this platform (os[/arch[/variant]])"},
};

int run(Invocation& call) {
    return inspect_each(call.session, call.arguments.positional, call.arguments.text("format"),
                        [&](const std::string& name) {
        return call.session.ask([&](client::Client& daemon) {
            const std::string& platform = call.arguments.text("platform");
            return daemon.inspect_image_json(name, platform.empty() ? "" : platform_json(platform));
        });
    });
}

}  // namespace

const Command image_inspect_command{
    .name = "image inspect",
    .usage = "[OPTIONS] IMAGE [IMAGE...]",
    .summary = "Print what is known about one or more images",
    .args = at_least(1),
    .flags = flags,
    .run = run,
    .completes = Completes::images,
};

}  // namespace hull::cli
