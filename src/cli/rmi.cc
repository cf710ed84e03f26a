#include "cli/commands.hh"
#include "cli/each.hh"
#include "cli/values.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"force", 'f', FlagType::boolean, "Remove the image even if something refers to it"},
    {"no-prune", 0, FlagType::boolean, "Keep parents that have no name"},
    {"platform", 0, FlagType::strings, "Remove only these platforms (os[/arch[/variant]])"},
};

int run(Invocation& call) {
    const bool force = call.arguments.flag("force");
    std::vector<std::string> platforms;
    for (const std::string& platform : call.arguments.list("platform"))
        platforms.push_back(platform_json(platform));
    const auto remove = [&](const std::string& name) {
        const auto items = call.session.ask([&](client::Client& daemon) {
            return daemon.remove_image(name, force, call.arguments.flag("no-prune"), platforms);
        });
        std::string lines;
        for (const api::ImageDeleteItem& item : items)
            lines += item.deleted.empty() ? "Untagged: " + item.untagged + "\n"
                                          : "Deleted: " + item.deleted + "\n";
        call.session.print(lines);
    };
    return removal_code(try_each_argument(call, remove), force);
}

}  // namespace

const Command rmi_command{
    .name = "image rm",
    .aliases = {"image remove", "rmi"},
    .usage = "[OPTIONS] IMAGE [IMAGE...]",
    .summary = "Remove one or more images",
    .args = at_least(1),
    .flags = flags,
    .run = run,
    .completes = Completes::images,
};

}  // namespace hull::cli
