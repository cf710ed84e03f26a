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
    const bool force = call.arguments.flag("force");
    int code = 0;
    for (const std::string& given : call.arguments.positional) {
        const std::string name = given.starts_with('/') ? given.substr(1) : given;
        try {
            if (name.empty())
                throw Error(ErrorKind::invalid_argument, "container name cannot be empty");
            call.session.ask([&](client::Client& daemon) {
                if (call.arguments.flag("link"))
                    daemon.remove("/containers/" + http::encode_percent(name), {{"link", "1"}});
                else
                    daemon.remove_container(name, force, call.arguments.flag("volumes"));
            });
            call.session.print_line(given);
        } catch (const Error& error) {
            if (error.error_number() != 0) throw;
            call.session.complain(error.message());
            // -f only asks that it be gone.
            if (!force || error.kind() != ErrorKind::not_found) code = 1;
        }
    }
    return code;
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
};

}  // namespace hull::cli
