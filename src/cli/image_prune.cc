#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/confirm.hh"
#include "cli/format.hh"
#include "cli/session.hh"
#include "cli/values.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"all", 'a', FlagType::boolean, "Remove all images without containers, not only unnamed ones"},
    {"filter", 0, FlagType::filter, "Remove only images that match (e.g. \"until=<timestamp>\")"},
    {"force", 'f', FlagType::boolean, "Do not ask"},
};

int run(Invocation& call) {
    const bool all = call.arguments.flag("all");
    const std::string question =
        all ? "WARNING! This will remove all images without at least one container associated to "
              "them."
            : "WARNING! This will remove all dangling images.";
    if (!call.arguments.flag("force") && !confirm(call.session, question)) {
        call.session.complain("image prune has been cancelled");
        return 1;
    }
    auto filters = make_filters(call.arguments.list("filter"));
    filters["dangling"] = {all ? "false" : "true"};
    const auto result =
        call.session.ask([&](client::Client& daemon) { return daemon.prune_images(filters); });
    std::string text;
    if (!result.images_deleted.empty()) {
        text = "Deleted Images:\n";
        for (const api::ImageDeleteItem& item : result.images_deleted)
            text += item.untagged.empty() ? "deleted: " + item.deleted + "\n"
                                          : "untagged: " + item.untagged + "\n";
        text += "\n";
    }
    call.session.print(text + "Total reclaimed space: " +
                       human_size(static_cast<double>(result.space_reclaimed)) + "\n");
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
