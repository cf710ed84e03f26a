#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/confirm.hh"
#include "cli/prune.hh"
#include "cli/session.hh"
#include "cli/words.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"all", 'a', FlagType::boolean, "Remove all images without containers, not only unnamed ones"},
    {"dry-run", 0, FlagType::boolean, "Only show what would go"},
    {"filter", 0, FlagType::filter, "Remove only what matches (e.g. \"label=<key>=<value>\")"},
    {"force", 'f', FlagType::boolean, "Do not ask"},
    {"volumes", 0, FlagType::boolean, "Remove anonymous volumes, too"},
    {"why-not", 0, FlagType::text, "Say why the object of this name or ID stays"},
};

std::string question(bool all, bool volumes, const std::vector<std::string>& filters) {
    std::string text =
        "WARNING! This will remove:\n  - all stopped containers\n"
        "  - all networks not used by at least one container\n";
    if (volumes) text += "  - all anonymous volumes not used by at least one container\n";
    text += all ? "  - all images without at least one container associated to them\n"
                  "  - all build cache\n"
                : "  - all dangling images\n  - unused build cache\n";
    if (!filters.empty()) {
        text += "\n  Items to be pruned will be filtered with:\n";
        for (const std::string& filter : filters) text += "  - " + filter + "\n";
    }
    return text;
}

/// A kind of object refuses a whole request with a filter that it does not know.
std::vector<std::string> only(const std::vector<std::string>& filters,
                              std::initializer_list<std::string_view> known) {
    std::vector<std::string> result;
    for (const std::string& filter : filters) {
        std::string_view name = cut(filter, '=').first;
        if (name.ends_with('!')) name.remove_suffix(1);
        for (std::string_view wanted : known)
            if (name == wanted) result.push_back(filter);
    }
    return result;
}

int run(Invocation& call) {
    Session& session = call.session;
    const bool all = call.arguments.flag("all"), volumes = call.arguments.flag("volumes");
    const bool dry_run = call.arguments.flag("dry-run");
    if (call.arguments.given("why-not"))
        return explain_why_not(session, call.arguments.text("why-not"),
                               {.containers = true,
                                .images = true,
                                .networks = true,
                                .volumes = volumes,
                                .all_images = all});
    const std::vector<std::string> filters = prune_filters(session, call.arguments);
    if (volumes && !only(filters, {"until"}).empty())
        throw Error(ErrorKind::invalid_argument,
                    "the \"until\" filter is not supported with \"--volumes\": a volume has no "
                    "date of last use");
    if (!dry_run && !call.arguments.flag("force") &&
        !confirm(session, question(all, volumes, filters))) {
        session.complain("system prune has been cancelled, nothing was removed");
        return 0;  // the answer was no: that is no failure
    }
    // Containers first: they hold the rest.
    std::vector<Pruned> parts;
    parts.push_back(prune_containers(session, filters, dry_run));
    parts.push_back(prune_networks(session, filters, dry_run));
    if (volumes) parts.push_back(prune_volumes(session, filters, dry_run));
    parts.push_back(prune_images(session, filters, all, dry_run));
    parts.push_back(prune_build_cache(session, only(filters, {"until"}), all, dry_run));
    print_pruned(session, parts, dry_run);
    return 0;
}

}  // namespace

const Command system_prune_command{
    .name = "system prune",
    .usage = "[OPTIONS]",
    .summary = "Remove what is not used",
    .args = exactly(0),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
