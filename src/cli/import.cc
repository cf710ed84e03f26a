#include "base/error.hh"
#include "base/sys.hh"
#include "cli/commands.hh"
#include "cli/progress.hh"
#include "cli/session.hh"

#include <unistd.h>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"change", 'c', FlagType::list, "Apply a Dockerfile instruction to the image"},
    {"message", 'm', FlagType::text, "Comment of the image"},
    {"platform", 0, FlagType::text, "Platform of the image (os[/arch[/variant]])"},
};

bool is_url(std::string_view source) {
    return source.starts_with("http://") || source.starts_with("https://");
}

int run(Invocation& call) {
    const std::vector<std::string>& words = call.arguments.positional;
    client::Client::ImportOptions options;
    if (words.size() > 1) {
        const std::size_t slash = words[1].rfind('/');
        const std::size_t colon = words[1].find(':', slash == std::string::npos ? 0 : slash);
        options.repository = words[1].substr(0, colon);
        if (colon != std::string::npos) options.tag = words[1].substr(colon + 1);
    }
    options.message = call.arguments.text("message");
    options.platform = call.arguments.text("platform");
    options.changes = call.arguments.list("change");
    Fd file;
    if (is_url(words[0]))
        options.url = words[0];
    else if (words[0] != "-")
        file = with_context([&] { return sys::open(words[0], O_RDONLY); }, "reading the archive");
    ProgressView view(STDERR_FILENO);
    call.session.ask([&](client::Client& daemon) {
        daemon.import_image(file ? file.get() : STDIN_FILENO, options,
                            [&](const api::ProgressMessage& message) {
            if (message.status.starts_with("sha256:"))
                return call.session.print_line(message.status);
            if (!options.url.empty()) view.show(message);
        });
    });
    return 0;
}

}  // namespace

const Command import_command{
    .name = "image import",
    .aliases = {"import"},
    .usage = "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
    .summary = "Make an image of one layer from a tar archive",
    .args = between(1, 2),
    .flags = flags,
    .run = run,
    .completes = Completes::files,
};

}  // namespace hull::cli
