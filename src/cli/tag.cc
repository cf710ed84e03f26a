#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/pull.hh"
#include "cli/session.hh"

namespace hull::cli {
namespace {

int run(Invocation& call) {
    const std::vector<std::string>& names = call.arguments.positional;
    if (names[1].find('@') != std::string::npos)
        throw Error(ErrorKind::invalid_argument,
                    "refusing to create a tag with a digest reference");
    const std::string target = with_default_tag(names[1]);
    const std::size_t colon = target.rfind(':');
    call.session.ask([&](client::Client& daemon) {
        daemon.tag_image(names[0], target.substr(0, colon), target.substr(colon + 1));
    });
    return 0;
}

}  // namespace

const Command tag_command{
    .name = "image tag",
    .aliases = {"tag"},
    .usage = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    .summary = "Give an image one more name",
    .args = exactly(2),
    .run = run,
    .completes = Completes::images,
};

}  // namespace hull::cli
