#include "cli/commands.hh"
#include "cli/confirm.hh"
#include "cli/prune.hh"
#include "cli/session.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"all", 'a', FlagType::boolean, "Remove all images without containers, not only unnamed ones"},
    {"dry-run", 0, FlagType::boolean, "Only show what would go"},
    {"filter", 0, FlagType::filter, "Remove only images that match (e.g. \"until=<timestamp>\")"},
    {"force", 'f', FlagType::boolean, "Do not ask"},
    {"why-not", 0, FlagType::text, "Say why the object of this name or ID stays"},
};

int run(Invocation& call) {
    const bool all = call.arguments.flag("all"), dry_run = call.arguments.flag("dry-run");
    if (call.arguments.given("why-not"))
        return explain_why_not(call.session, call.arguments.text("why-not"),
                               {.images = true, .all_images = all});
    const std::string question =
        all ? "WARNING! This will remove all images without at least one container associated to "
              "them."
            : "WARNING! This will remove all dangling images.";
    if (!dry_run && !call.arguments.flag("force") && !confirm(call.session, question)) {
        call.session.complain("image prune has been cancelled, nothing was removed");
        return 0;  // the answer was no: that is no failure
    }
    print_pruned(
        call.session,
        {prune_images(call.session, prune_filters(call.session, call.arguments), all, dry_run)},
        dry_run);
    return 0;
}

}  // namespace

const Command image_prune_command{
    .name = "image prune",
    .usage = "[OPTIONS]",
    .summary = "Remove unused images",
    .args = exactly(0),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
