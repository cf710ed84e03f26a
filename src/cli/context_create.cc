#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/context_endpoint.hh"
#include "cli/session.hh"

namespace hull::cli {
namespace {

constexpr Flag create_flags[] = {
    {"description", 0, FlagType::text, "Description of the context"},
    {"docker", 0, FlagType::map,
     "The daemon: host=, ca=, cert=, key=, skip-tls-verify=, from= (comma separated)"},
    {"from", 0, FlagType::text, "Copy this context"},
};
constexpr Flag update_flags[] = {
    {"description", 0, FlagType::text, "Description of the context"},
    {"docker", 0, FlagType::map,
     "The daemon: host=, ca=, cert=, key=, skip-tls-verify=, from= (comma separated)"},
};

/// Writes `endpoint` into the context: what it says itself, else what `from` has.
void apply(const Session& session, const ContextStore& store, Context& context,
           const ContextEndpoint& endpoint) {
    if (!endpoint.from.empty()) {
        const Context source = get_context(session, endpoint.from);
        context.set_endpoint(source.host(), source.skip_tls_verify());
        store.save(context);
        store.save_tls(context.name, store.read_tls(endpoint.from));
        return;
    }
    context.set_endpoint(endpoint.host, endpoint.skip_tls_verify);
    store.save(context);
    store.save_tls(context.name, endpoint.tls);
}

int create(Invocation& call) {
    const Arguments& arguments = call.arguments;
    const std::string& name = arguments.positional[0];
    check_context_name(name);
    const ContextStore store(call.session.configuration.directory());
    if (store.find(name))
        throw Error(ErrorKind::conflict,
                    "context \"{0}\" already exists: `context update {0}` changes it", name);
    Context context;
    context.name = name;
    context.metadata =
        json::Object{{"Name", name}, {"Metadata", json::Object{}}, {"Endpoints", json::Object{}}};
    ContextEndpoint endpoint = parse_context_endpoint(arguments.list("docker"));
    if (!arguments.text("from").empty()) {
        if (arguments.given("docker"))
            throw Error(ErrorKind::invalid_argument,
                        "conflicting options: cannot specify both --from and --docker, use "
                        "--docker from={}",
                        arguments.text("from"));
        endpoint.from = arguments.text("from");
        context.set_description(get_context(call.session, endpoint.from).description());
    }
    if (arguments.given("description")) context.set_description(arguments.text("description"));
    apply(call.session, store, context, endpoint);
    call.session.print_line(name);
    call.session.complain(fmt::format("Successfully created context \"{}\"", name));
    return 0;
}

int update(Invocation& call) {
    const std::string& name = call.arguments.positional[0];
    check_context_name(name);
    const ContextStore store(call.session.configuration.directory());
    Context context = store.get(name);
    if (call.arguments.given("description"))
        context.set_description(call.arguments.text("description"));
    if (call.arguments.given("docker"))
        apply(call.session, store, context, parse_context_endpoint(call.arguments.list("docker")));
    else
        store.save(context);
    call.session.print_line(name);
    call.session.complain(fmt::format("Successfully updated context \"{}\"", name));
    return 0;
}

}  // namespace

const Command context_create_command{
    .name = "context create",
    .usage = "[OPTIONS] CONTEXT",
    .summary = "Give a daemon a name",
    .args = exactly(1),
    .flags = create_flags,
    .run = create,
};

const Command context_update_command{
    .name = "context update",
    .usage = "[OPTIONS] CONTEXT",
    .summary = "Change a context",
    .args = exactly(1),
    .flags = update_flags,
    .run = update,
    .completes = Completes::contexts,
};

}  // namespace hull::cli
