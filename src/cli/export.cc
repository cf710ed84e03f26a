#include "cli/commands.hh"
#include "cli/output_file.hh"
#include "cli/session.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"output", 'o', FlagType::text, "Write to this file instead of STDOUT"},
};

int run(Invocation& call) {
    write_archive(call.arguments.text("output"), "export container", [&] {
        return call.session.ask([&](client::Client& daemon) {
            return daemon.request(
                "GET",
                "/containers/" + http::encode_percent(call.arguments.positional[0]) + "/export");
        });
    });
    return 0;
}

}  // namespace

const Command export_command{
    .name = "container export",
    .aliases = {"export"},
    .usage = "[OPTIONS] CONTAINER",
    .summary = "Write a container's file system as a tar archive (on STDOUT unless -o is given)",
    .args = exactly(1),
    .flags = flags,
    .run = run,
    .completes = Completes::containers,
};

}  // namespace hull::cli
