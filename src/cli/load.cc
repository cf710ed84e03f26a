#include "base/error.hh"
#include "base/sys.hh"
#include "cli/commands.hh"
#include "cli/session.hh"
#include "cli/terminal.hh"
#include "cli/values.hh"

#include <unistd.h>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"input", 'i', FlagType::text, "Read from this tar file instead of STDIN"},
    {"platform", 0, FlagType::strings, "Load only these platforms (os[/arch[/variant]])"},
    {"quiet", 'q', FlagType::boolean, "Do not show progress"},
};

int run(Invocation& call) {
    const std::string& path = call.arguments.text("input");
    Fd file;
    if (!path.empty()) {
        file = with_context([&] { return sys::open(path, O_RDONLY); }, "reading the archive");
    } else if (is_terminal(STDIN_FILENO)) {
        throw Error(ErrorKind::invalid_argument, "requested load from stdin, but stdin is empty");
    }
    const bool quiet = call.arguments.flag("quiet") || !is_terminal(STDOUT_FILENO);
    std::vector<std::string> platforms;
    for (const std::string& platform : call.arguments.list("platform"))
        platforms.push_back(platform_json(platform));
    call.session.ask([&](client::Client& daemon) {
        daemon.load_images(file ? file.get() : STDIN_FILENO, quiet, platforms,
                           [&](const api::ProgressMessage& message) {
            // The names of what was loaded are the result.
            if (!message.stream.empty()) call.session.print(message.stream);
        });
    });
    return 0;
}

}  // namespace

const Command load_command{
    .name = "image load",
    .aliases = {"load"},
    .usage = "[OPTIONS]",
    .summary = "Load images from a tar archive",
    .args = exactly(0),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
