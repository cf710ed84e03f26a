#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/create_flags.hh"
#include "cli/pull.hh"
#include "cli/session.hh"
#include "oci/reference.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"all-tags", 'a', FlagType::boolean, "Pull every tag of the repository"},
    {"disable-content-trust", 0, FlagType::boolean, "Do not verify signatures (none are)", "true",
     nullptr, true},
    {"platform", 0, FlagType::text, "Platform to pull (os[/arch[/variant]])"},
    {"quiet", 'q', FlagType::boolean, "Only print the image's name"},
};

int run(Invocation& call) {
    const std::string& reference = call.arguments.positional[0];
    const bool all_tags = call.arguments.flag("all-tags");
    if (all_tags && with_default_tag(reference) == reference)
        throw Error(ErrorKind::invalid_argument, "tag can't be used with --all-tags/-a");
    const std::string full = with_default_tag(reference);
    if (!all_tags && full != reference && !call.arguments.flag("quiet"))
        call.session.print_line("Using default tag: latest");
    pull_image(call.session, reference, chosen_platform(call.arguments),
               call.arguments.flag("quiet") ? PullOutput::quiet : PullOutput::standard_output,
               all_tags);
    call.session.print_line(oci::Reference::parse(all_tags ? reference : full).canonical());
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
