#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/context_endpoint.hh"
#include "cli/endpoint.hh"
#include "cli/session.hh"

namespace hull::cli {
namespace {

int use(Invocation& call) {
    Session& session = call.session;
    const std::string& name = call.arguments.positional[0];
    if (name == default_context) {
        session.configuration.set("currentContext", nullptr);
    } else {
        get_context(session, name);
        session.configuration.set("currentContext", name);
    }
    session.print_line(name);
    if (!setting("HOST").empty())
        session.complain(
            "Warning: DOCKER_HOST environment variable overrides the active context. To use a "
            "context, either set the global --context flag, or unset DOCKER_HOST environment "
            "variable.");
    session.complain(fmt::format("Current context is now \"{}\"", name));
    return 0;
}

int show(Invocation& call) {
    call.session.print_line(call.session.context);
    return 0;
}

constexpr Flag remove_flags[] = {
    {"force", 'f', FlagType::boolean, "Remove it even when it is in use"},
};

void remove(Session& session, const std::string& name, bool force) {
    if (name == default_context)
        throw Error(ErrorKind::invalid_argument, "context \"default\" cannot be removed");
    const ContextStore store(session.configuration.directory());
    if (!store.find(name) && !force)
        throw Error(ErrorKind::not_found, "context \"{}\" does not exist", name);
    const json::Value& current = session.config("currentContext");
    const bool in_use = current.is_string() && current.as_string() == name;
    if (in_use && !force)
        throw Error(ErrorKind::conflict, "context \"{}\" is in use, set -f flag to force remove",
                    name);
    if (in_use) session.configuration.set("currentContext", nullptr);
    store.remove(name);
}

int remove_all(Invocation& call) {
    int code = 0;
    for (const std::string& name : call.arguments.positional) {
        try {
            remove(call.session, name, call.arguments.flag("force"));
            call.session.print_line(name);
        } catch (const Error& error) {
            call.session.complain_about(error);
            code = 1;
        }
    }
    return code;
}

}  // namespace

const Command context_use_command{
    .name = "context use",
    .usage = "CONTEXT",
    .summary = "Make a context the one that is used",
    .args = exactly(1),
    .run = use,
    .completes = Completes::contexts,
};

const Command context_show_command{
    .name = "context show",
    .summary = "Print the name of the context that is used",
    .args = exactly(0),
    .run = show,
};

const Command context_rm_command{
    .name = "context rm",
    .aliases = {"context remove"},
    .usage = "[OPTIONS] CONTEXT [CONTEXT...]",
    .summary = "Remove one or more contexts",
    .args = at_least(1),
    .flags = remove_flags,
    .run = remove_all,
    .completes = Completes::contexts,
};

}  // namespace hull::cli
