#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/session.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"force", 'f', FlagType::boolean, "Remove the image even if something refers to it"},
    {"no-prune", 0, FlagType::boolean, "Keep parents that have no name"},
};

int run(Invocation& call) {
    const bool force = call.arguments.flag("force");
    int code = 0;
    for (const std::string& name : call.arguments.positional) {
        try {
            const auto items = call.session.ask([&](client::Client& daemon) {
                return daemon.remove_image(name, force, call.arguments.flag("no-prune"));
            });
            std::string lines;
            for (const api::ImageDeleteItem& item : items)
                lines += item.deleted.empty() ? "Untagged: " + item.untagged + "\n"
                                              : "Deleted: " + item.deleted + "\n";
            call.session.print(lines);
        } catch (const Error& error) {
            if (error.error_number() != 0) throw;
            call.session.complain(error.message());
            if (!force || error.kind() != ErrorKind::not_found) code = 1;
        }
    }
    return code;
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
};

}  // namespace hull::cli
