#include "base/error.hh"
#include "base/file.hh"
#include "cli/commands.hh"
#include "cli/compose_project.hh"
#include "cli/format.hh"
#include "cli/session.hh"
#include "cli/words.hh"
#include "compose/docker_hash.hh"
#include "compose/explain.hh"
#include "compose/hash.hh"
#include "compose/normalise.hh"
#include "compose/values.hh"
#include "compose/yaml_writer.hh"

#include <set>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"environment", 0, FlagType::boolean, "Print the variables that interpolation looks up"},
    {"explain", 0, FlagType::text,
     "Print which file or variable the value of a key came from (services.web.image)"},
    {"format", 0, FlagType::text, "Output format: \"yaml\" or \"json\"", "yaml"},
    {"hash", 0, FlagType::text,
     "Print the hash of the configuration of services ('*' for every one)"},
    {"images", 0, FlagType::boolean, "Print the images' names"},
    {"lock-image-digests", 0, FlagType::boolean,
     "Print an override file that pins the images' digests"},
    {"models", 0, FlagType::boolean, "Print the models' names"},
    {"networks", 0, FlagType::boolean, "Print the networks' names"},
    {"no-consistency", 0, FlagType::boolean, "Do not check references"},
    {"no-env-resolution", 0, FlagType::boolean,
     "Leave env_file and variables without a value as they are"},
    {"no-interpolate", 0, FlagType::boolean, "Leave variables as they are"},
    {"no-normalize", 0, FlagType::boolean, "Do not fill in defaults"},
    {"no-path-resolution", 0, FlagType::boolean, "Leave paths as they are"},
    {"output", 'o', FlagType::text, "Write to a file"},
    {"profiles", 0, FlagType::boolean, "Print the profiles' names"},
    {"quiet", 'q', FlagType::boolean, "Only check"},
    {"resolve-image-digests", 0, FlagType::boolean, "Pin image tags to digests"},
    {"services", 0, FlagType::boolean, "Print the services' names"},
    {"variables", 0, FlagType::boolean, "Print the variables that the files use"},
    {"volumes", 0, FlagType::boolean, "Print the volumes' names"},
};

using compose::Member;
using compose::Node;
using compose::Project;

std::string lines_of_keys(const Node& mapping) {
    std::set<std::string> names;
    for (const Member& member : mapping.members) names.insert(member.key);
    std::string text;
    for (const std::string& name : names) text += name + "\n";
    return text;
}

std::string image_lines(const Project& project) {
    std::string text;
    for (const std::string& name : project.service_names())
        text += compose::image_of(project, name) + "\n";
    return text;
}

std::string hash_lines(const Project& project, const std::string& wanted) {
    std::string text;
    std::set<std::string> names;
    if (wanted == "*")
        for (const std::string& name : project.service_names()) names.insert(name);
    else
        for (const std::string& name : split_csv(wanted)) names.insert(name);
    for (const std::string& name : names)
        text +=
            fmt::format("{} {}\n", name, compose::docker_service_hash(project.get_service(name)));
    return text;
}

std::string variable_table(const Project& project) {
    std::string text = "NAME\tREQUIRED\tDEFAULT VALUE\tALTERNATE VALUE\n";
    for (const auto& [name, use] : project.seen.uses)
        text += fmt::format("{}\t{}\t{}\t{}\n", name, use.required, use.default_value,
                            use.alternate_value);
    return align_columns(text);
}

std::string environment_lines(const Project& project) {
    std::string text;
    for (const auto& [name, variable] : project.environment)
        text += fmt::format("{}={}\n", name, variable.value);
    return text;
}

/// The digest that the daemon knows an image by; Docker's compose asks the registry.
std::string pinned(Session& session, const std::string& image) {
    if (image.find('@') != std::string::npos) return image;
    const json::Value inspected =
        session.ask([&](client::Client& daemon) { return daemon.inspect_image_json(image); });
    const json::Value& digests = inspected["RepoDigests"];
    if (!digests.is_array() || digests.as_array().empty())
        throw Error(ErrorKind::not_found, "image {} has no digest of a registry: pull it first",
                    image);
    const std::string& digest = digests.as_array()[0].as_string();
    return image + digest.substr(digest.find('@'));
}

Node pin_images(Session& session, Node root, bool lock) {
    Node locked = Node::mapping();
    Node& services = locked.get("services");
    services.kind = compose::Kind::mapping;
    for (Member& member : root.get("services").members) {
        Node* image = member.value.find("image");
        if (!image) continue;
        image->text = pinned(session, image->text);
        Node entry = Node::mapping();
        entry.set("image", *image);
        services.set(member.key, std::move(entry));
    }
    return lock ? locked : root;
}

std::string whole(Session& session, const Arguments& arguments, const Project& project) {
    Node root = project.root;
    if (arguments.flag("lock-image-digests"))
        root = pin_images(session, std::move(root), true);
    else if (arguments.flag("resolve-image-digests"))
        root = pin_images(session, std::move(root), false);
    compose::prepare_for_output(root, !arguments.flag("no-normalize"),
                                !arguments.flag("no-interpolate"));
    const std::string& format = arguments.text("format");
    if (format == "json") return json::dump_indented(compose::to_json(root), 2) + "\n";
    if (format != "yaml")
        throw Error(ErrorKind::invalid_argument, "unsupported format \"{}\": yaml or json", format);
    return compose::write_yaml(root);
}

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    compose::LoadOptions options = compose_load_options(call);
    options.check_consistency = !arguments.flag("no-consistency");
    options.interpolate = !arguments.flag("no-interpolate");
    options.normalise = !arguments.flag("no-normalize");
    options.resolve_paths = !arguments.flag("no-path-resolution");
    options.resolve_environment = !arguments.flag("no-env-resolution") && options.interpolate;
    Project project = load_compose_project(call, options);
    compose::select_services(project, arguments.positional, true);
    if (!arguments.positional.empty() && !options.all_resources) compose::drop_unused(project);
    if (arguments.flag("quiet")) return 0;
    std::string text;
    if (arguments.given("explain"))
        text = compose::explain(project, arguments.text("explain"));
    else if (arguments.flag("services"))
        text = lines_of_keys(project.services());
    else if (arguments.flag("volumes"))
        text = lines_of_keys(project.root["volumes"]);
    else if (arguments.flag("networks"))
        text = lines_of_keys(project.root["networks"]);
    else if (arguments.flag("models"))
        text = lines_of_keys(project.root["models"]);
    else if (arguments.flag("images"))
        text = image_lines(project);
    else if (arguments.flag("profiles"))
        for (const std::string& profile : project.all_profiles) text += profile + "\n";
    else if (arguments.given("hash"))
        text = hash_lines(project, arguments.text("hash"));
    else if (arguments.flag("variables"))
        text = variable_table(project);
    else if (arguments.flag("environment"))
        text = environment_lines(project);
    else
        text = whole(call.session, arguments, project);
    if (arguments.given("output"))
        write_file(arguments.text("output"), text);
    else
        call.session.print(text);
    return 0;
}

}  // namespace

const Command compose_config_command{
    .name = "compose config",
    .aliases = {"compose convert"},
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "Check, resolve and print the Compose file",
    .args = at_least(0),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
