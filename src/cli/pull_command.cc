#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/create_flags.hh"
#include "cli/pull.hh"
#include "cli/session.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"all-tags", 'a', FlagType::boolean, "Pull every tag of the repository"},
    {"platform", 0, FlagType::text, "Platform to pull (os[/arch[/variant]])"},
    {"quiet", 'q', FlagType::boolean, "Only print the image's name"},
};

int run(Invocation& call) {
    const std::string& reference = call.arguments.positional[0];
    if (call.arguments.flag("all-tags"))
        throw Error(ErrorKind::unsupported, "pull --all-tags is not supported yet");
    pull_image(call.session, reference, chosen_platform(call.arguments),
               call.arguments.flag("quiet"));
    call.session.print_line(with_default_tag(reference));
    return 0;
}

}  // namespace

const Command pull_command{
    .name = "image pull",
    .aliases = {"pull"},
    .usage = "[OPTIONS] NAME[:TAG|@DIGEST]",
    .summary = "Download an image from a registry",
    .args = exactly(1),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
