#include "api/types/volume.hh"
#include "base/error.hh"
#include "base/sys.hh"
#include "cli/session.hh"
#include "cli/volume_commands.hh"

#include <fcntl.h>
#include <unistd.h>

namespace hull::cli {
namespace {

int run(Invocation& call) {
    const std::vector<std::string>& words = call.arguments.positional;
    const std::string source = words.size() > 1 ? words[1] : "-";
    Fd file;
    if (source != "-")
        file = with_context([&] { return sys::open(source, O_RDONLY); }, "reading the archive");
    const int input = file ? file.get() : STDIN_FILENO;
    const auto volume = call.session.ask([&](client::Client& daemon) {
        http::ClientResponse reply =
            daemon.upload("PUT", "/volumes/" + http::encode_percent(words[0]) + "/archive", {},
                          "application/x-tar",
                          [&](std::span<std::byte> buffer) { return sys::read(input, buffer); });
        return api::parse<api::Volume>(json::parse(reply.read_all()));
    });
    call.session.print_line(volume.name);
    return 0;
}

}  // namespace

const Command volume_import_command{
    .name = "volume import",
    .usage = "NEW_VOLUME [file|-]",
    .summary = "Make a volume of the files in a tar archive (STDIN unless a file is given)",
    .args = between(1, 2),
    .run = run,
    .completes = Completes::files,
};

}  // namespace hull::cli
