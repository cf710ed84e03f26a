#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/context_endpoint.hh"
#include "cli/format.hh"
#include "cli/inspect.hh"
#include "cli/session.hh"

#include <algorithm>

namespace hull::cli {
namespace {

constexpr Flag list_flags[] = {
    {"format", 0, FlagType::text, "'table', 'json', 'table TEMPLATE' or a Go TEMPLATE"},
    {"quiet", 'q', FlagType::boolean, "Only show names"},
};

constexpr Listing::Column columns[] = {
    {"Name", "NAME"},
    {"Description", "DESCRIPTION"},
    {"DockerEndpoint", "DOCKER ENDPOINT"},
    {"Error", "ERROR"},
    {"Current", ""},
};
constexpr Listing listing{
    .type_name = "*formatter.clientContextContext",
    .default_table =
        "table {{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t"
        "{{.Error}}",
    .quiet = "{{.Name}}",
    .columns = columns,
};

Row make_row(const Session& session, const std::string& name, const std::string& description,
             const std::string& host, const std::string& problem) {
    return {json::Object{{"Current", name == session.context},
                         {"Description", description},
                         {"DockerEndpoint", host},
                         {"Error", problem},
                         {"Name", name}}};
}

int list(Invocation& call) {
    Session& session = call.session;
    const ContextStore store(session.configuration.directory());
    std::vector<Context> contexts = store.list();
    contexts.push_back(get_context(session, default_context));
    contexts.back().set_description("Current DOCKER_HOST based configuration");
    std::sort(contexts.begin(), contexts.end(),
              [](const Context& a, const Context& b) { return a.name < b.name; });
    std::vector<Row> rows;
    bool found = false;
    for (const Context& context : contexts) {
        found |= context.name == session.context;
        rows.push_back(make_row(session, context.name, context.description(), context.host(), ""));
    }
    if (!found)
        rows.push_back(make_row(session, session.context, "", "",
                                fmt::format("context \"{}\": not found", session.context)));
    session.print(
        format_listing(listing, call.arguments.text("format"), call.arguments.flag("quiet"), rows));
    return 0;
}

constexpr Flag inspect_flags[] = {
    {"format", 'f', FlagType::text, "'json' or a Go TEMPLATE"},
};

json::Value describe(const Session& session, const std::string& name) {
    const ContextStore store(session.configuration.directory());
    const Context context = get_context(session, name);
    const bool stored = name != default_context;
    json::Object tls;
    json::Array files;
    for (const auto& [file, content] : store.read_tls(name)) files.push_back(file);
    if (!files.empty()) tls.append("docker", std::move(files));
    return json::Object{
        {"Name", name},
        {"Metadata", context.metadata["Metadata"]},
        {"Endpoints", context.metadata["Endpoints"]},
        {"TLSMaterial", std::move(tls)},
        {"Storage",
         json::Object{{"MetadataPath", stored ? store.metadata_directory(name) : "<IN MEMORY>"},
                      {"TLSPath", stored ? store.tls_directory(name) : "<IN MEMORY>"}}}};
}

int inspect(Invocation& call) {
    std::vector<std::string> names = call.arguments.positional;
    if (names.empty()) names.push_back(call.session.context);
    return inspect_each(call.session, names, call.arguments.text("format"),
                        [&](const std::string& name) { return describe(call.session, name); });
}

}  // namespace

const Command context_ls_command{
    .name = "context ls",
    .aliases = {"context list"},
    .usage = "[OPTIONS]",
    .summary = "List contexts",
    .args = exactly(0),
    .flags = list_flags,
    .run = list,
};

const Command context_inspect_command{
    .name = "context inspect",
    .usage = "[OPTIONS] [CONTEXT] [CONTEXT...]",
    .summary = "Print what is known about one or more contexts",
    .args = at_least(0),
    .flags = inspect_flags,
    .run = inspect,
    .completes = Completes::contexts,
};

}  // namespace hull::cli
