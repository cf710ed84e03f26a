#include "cli/commands.hh"
#include "cli/each.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"force", 'f', FlagType::boolean, "Kill a running container first"},
    {"link", 'l', FlagType::boolean, "Remove a link between containers"},
    {"volumes", 'v', FlagType::boolean, "Remove the container's anonymous volumes, too"},
};

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    const bool force = arguments.flag("force");
    const auto remove = [&](const std::string& given) {
        const std::string name = given.starts_with('/') ? given.substr(1) : given;
        if (name.empty())
            throw Error(ErrorKind::invalid_argument, "container name cannot be empty");
        call.session.ask([&](client::Client& daemon) {
            if (arguments.flag("link"))
                daemon.remove("/containers/" + http::encode_percent(name), {{"link", "1"}});
            else
                daemon.remove_container(name, force, arguments.flag("volumes"));
        });
        call.session.print_line(given);
    };
    return removal_code(try_each_argument(call, remove), force);
}

}  // namespace

const Command rm_command{
    .name = "container rm",
    .aliases = {"container remove", "rm"},
    .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
    .summary = "Remove one or more containers",
    .args = at_least(1),
    .flags = flags,
    .run = run,
    .completes = Completes::containers,
};

}  // namespace hull::cli
