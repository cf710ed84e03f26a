#include "cli/compose_call.hh"

#include "base/error.hh"
#include "cli/session.hh"

namespace hull::cli {

int call_command(Session& session, const std::string& name, const std::vector<std::string>& words) {
    const Command* command = find_command(name);
    if (!command)
        throw Error(ErrorKind::unsupported, "{} has no command {} yet", session.program, name);
    const Arguments arguments =
        parse_flags(command->flags, words, command->flags_end_at_positional);
    Invocation invocation{session, arguments, session.program + " " + name};
    return command->run(invocation);
}

}  // namespace hull::cli
