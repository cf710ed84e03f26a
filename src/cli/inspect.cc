#include "cli/inspect.hh"

#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/session.hh"
#include "cli/template.hh"

#include <optional>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"as", 0, FlagType::text, "Print what makes the container again: \"run\" or \"compose\""},
    {"format", 'f', FlagType::text, "'json' or a Go TEMPLATE"},
    {"size", 's', FlagType::boolean, "Show how much a container takes on disk"},
    {"type", 0, FlagType::text, "Only inspect objects of this type"},
};

constexpr int bad_template = 64;

struct Kind {
    std::string_view name, path;
};
constexpr Kind kinds[] = {
    {"container", "/containers/"},
    {"image", "/images/"},
    {"network", "/networks/"},
    {"volume", "/volumes/"},
};

json::Value get_object(client::Client& daemon, const Kind& kind, const std::string& name,
                       bool size) {
    if (kind.name == "container") return daemon.inspect_container_json(name, size);
    if (kind.name == "image") return daemon.inspect_image_json(name);
    return daemon.get(std::string(kind.path) + http::encode_percent(name));
}

int run(Invocation& call) {
    if (call.arguments.given("as"))
        return print_recipes(call.session, call.arguments.positional, call.arguments.text("as"));
    const std::string& type = call.arguments.text("type");
    const bool size = call.arguments.flag("size");
    bool known = type.empty();
    for (const Kind& kind : kinds) known |= kind.name == type;
    if (!known)
        throw Error(ErrorKind::invalid_argument,
                    "unknown type: \"{}\": must be one of container, image, network, volume", type);
    return inspect_each(call.session, call.arguments.positional, call.arguments.text("format"),
                        [&](const std::string& name) {
        for (const Kind& kind : kinds) {
            if (!type.empty() && kind.name != type) continue;
            try {
                return call.session.ask(
                    [&](client::Client& daemon) { return get_object(daemon, kind, name, size); });
            } catch (const Error& error) {
                // A daemon without networks or volumes has no such object either.
                if (!type.empty() || (error.kind() != ErrorKind::not_found &&
                                      error.kind() != ErrorKind::unsupported))
                    throw;
            }
        }
        throw Error(ErrorKind::not_found, "Error: No such object: {}", name);
    });
}

}  // namespace

int inspect_each(Session& session, const std::vector<std::string>& names, const std::string& format,
                 const std::function<json::Value(const std::string& name)>& find) {
    std::optional<Template> program;
    if (!format.empty() && format != "json") {
        try {
            program = with_context([&] { return Template(format); }, "template parsing error");
        } catch (const Error& error) {
            session.complain(error.message());
            return bad_template;
        }
    }
    std::vector<Error> problems;
    json::Array found;
    std::string lines;
    for (const std::string& name : names) {
        try {
            json::Value object = find(name);
            if (!program) {
                found.push_back(std::move(object));
                continue;
            }
            TemplateScope scope;
            scope.docker_members = true;
            lines += with_context([&] { return program->execute(object, scope); },
                                  "template parsing error") +
                     "\n";
        } catch (const Error& error) {
            if (error.error_number() != 0) throw;
            problems.push_back(error);
        }
    }
    if (program && lines.empty() && !problems.empty()) lines = "\n";  // Docker's empty result
    if (program)
        session.print(lines);
    else if (format == "json")
        session.print_line(json::dump(found));
    else
        session.print_line(json::dump_indented(found, 4));
    for (const Error& problem : problems) session.complain_about(problem);
    return problems.empty() ? 0 : 1;
}

const Command inspect_command{
    .name = "inspect",
    .usage = "[OPTIONS] NAME|ID [NAME|ID...]",
    .summary = "Print what is known about containers, images and other objects",
    .args = at_least(1),
    .flags = flags,
    .run = run,
    .completes = Completes::objects,
};

}  // namespace hull::cli
