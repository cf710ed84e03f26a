#include "cli/output_file.hh"
#include "cli/session.hh"
#include "cli/volume_commands.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"output", 'o', FlagType::text, "Write to this file instead of STDOUT"},
};

int run(Invocation& call) {
    write_archive(call.arguments.text("output"), "export volume", [&] {
        return call.session.ask([&](client::Client& daemon) {
            return daemon.request(
                "GET",
                "/volumes/" + http::encode_percent(call.arguments.positional[0]) + "/archive");
        });
    });
    return 0;
}

}  // namespace

const Command volume_export_command{
    .name = "volume export",
    .usage = "[OPTIONS] VOLUME",
    .summary = "Write a volume's files as a tar archive (on STDOUT unless -o is given)",
    .args = exactly(1),
    .flags = flags,
    .run = run,
    .completes = Completes::volumes,
};

}  // namespace hull::cli
