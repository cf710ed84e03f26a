#include "base/error.hh"
#include "base/file.hh"
#include "cli/attached.hh"
#include "cli/commands.hh"
#include "cli/compose_project.hh"
#include "cli/compose_provider.hh"
#include "cli/compose_up_flags.hh"
#include "cli/session.hh"
#include "cli/terminal.hh"
#include "cli/values.hh"
#include "compose/request.hh"
#include "compose/values.hh"

#include <unistd.h>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"build", 0, FlagType::boolean, "Build the image first"},
    {"cap-add", 0, FlagType::list, "Add Linux capabilities"},
    {"cap-drop", 0, FlagType::list, "Drop Linux capabilities"},
    {"detach", 'd', FlagType::boolean, "Run in the background and print the container's name"},
    {"dry-run", 0, FlagType::boolean, "Say what would be done; do nothing"},
    {"entrypoint", 0, FlagType::text, "Program to run instead of the entrypoint"},
    {"env", 'e', FlagType::list, "Set an environment variable"},
    {"env-from-file", 0, FlagType::list, "Read environment variables from a file"},
    {"interactive", 'i', FlagType::boolean, "Keep STDIN open", "true"},
    {"label", 'l', FlagType::list, "Add a label"},
    {"name", 0, FlagType::text, "Name of the container"},
    {"no-deps", 0, FlagType::boolean, "Do not start what the service depends on"},
    {"no-tty", 'T', FlagType::boolean,
     "Do not allocate a terminal (default: one when we have one)"},
    {"publish", 'p', FlagType::list, "Publish a port"},
    {"pull", 0, FlagType::text, "When to pull the image: \"always\", \"missing\" or \"never\"",
     "policy"},
    {"quiet", 'q', FlagType::boolean, "Nothing but the container's output"},
    {"quiet-build", 0, FlagType::boolean, "Build without output"},
    {"quiet-pull", 0, FlagType::boolean, "Pull without progress"},
    {"remove-orphans", 0, FlagType::boolean,
     "Remove containers of services that are not in the file"},
    {"rm", 0, FlagType::boolean, "Remove the container when it exits"},
    {"service-ports", 'P', FlagType::boolean, "Publish the service's ports"},
    {"tty", 't', FlagType::boolean, "Allocate a terminal", "true", nullptr, true},
    {"use-aliases", 0, FlagType::boolean, "Give the container the service's names in its networks"},
    {"user", 'u', FlagType::text, "User to run as"},
    {"volume", 'v', FlagType::list, "Mount a directory or a volume"},
    {"workdir", 'w', FlagType::text, "Working directory in the container"},
};

using compose::Node;

Node list_node(const std::vector<std::string>& items) {
    Node list = Node::sequence();
    for (const std::string& item : items) list.items.push_back(Node::string(item));
    return list;
}

void append(Node& service, const char* key, const std::vector<std::string>& items) {
    if (items.empty()) return;
    Node& list = service.get(key);
    list.kind = compose::Kind::sequence;
    for (const std::string& item : items) list.items.push_back(Node::string(item));
}

/// The service as the command line changes it.
Node adjusted(const Node& original, const compose::Project& project, const Arguments& arguments,
              bool terminal) {
    Node service = original;
    if (arguments.positional.size() > 1)
        service.set("command",
                    list_node({arguments.positional.begin() + 1, arguments.positional.end()}));
    if (arguments.given("entrypoint")) {
        const auto words = compose::split_command(arguments.text("entrypoint"));
        if (!words)
            throw Error(ErrorKind::invalid_argument, "a quote in --entrypoint does not end");
        service.set("entrypoint", list_node(*words));
        if (arguments.positional.size() == 1) service.set("command", list_node({}));
    }
    if (arguments.given("user")) service.set("user", Node::string(arguments.text("user")));
    if (arguments.given("workdir"))
        service.set("working_dir", Node::string(arguments.text("workdir")));
    service.set("tty", Node::flag(terminal));
    service.set("stdin_open",
                Node::flag(arguments.flag("interactive") && !arguments.flag("detach")));
    append(service, "cap_add", arguments.list("cap-add"));
    append(service, "cap_drop", arguments.list("cap-drop"));
    Node& environment = service.get("environment");
    environment.kind = compose::Kind::mapping;
    for (const std::string& path : arguments.list("env-from-file"))
        for (const compose::EnvironmentLine& line : compose::parse_env_file(
                 read_file(path), path, compose::lookup_in(project.environment)))
            environment.set(line.name, Node::string(line.value.value_or("")));
    for (const std::string& item : arguments.list("env"))
        if (const auto resolved = resolve_environment(item))
            environment.set(resolved->substr(0, resolved->find('=')),
                            Node::string(resolved->substr(resolved->find('=') + 1)));
    Node& labels = service.get("labels");
    labels.kind = compose::Kind::mapping;
    for (const std::string& label : arguments.list("label"))
        labels.set(
            label.substr(0, label.find('=')),
            Node::string(label.find('=') == std::string::npos ? ""
                                                              : label.substr(label.find('=') + 1)));
    service.erase("container_name");
    return service;
}

void add_mounts_and_ports(compose::ContainerRequest& request, const Arguments& arguments,
                          const compose::Project& project) {
    for (const std::string& item : arguments.list("volume")) {
        std::string text = item;
        if (text.starts_with('.') || text.starts_with('~')) {
            const std::size_t colon = text.find(':');
            text = compose::resolve_path(project.directory, text.substr(0, colon)) +
                   (colon == std::string::npos ? "" : text.substr(colon));
        }
        const VolumeValue volume = parse_volume(text);
        if (!volume.bind.empty())
            request.request.host_config.binds.push_back(volume.bind);
        else
            request.request.config.volumes.insert(volume.target);
    }
    for (const std::string& item : arguments.list("publish"))
        for (const PortValue& port : parse_published_ports(item)) {
            request.request.config.exposed_ports.insert(port.port);
            request.request.host_config.port_bindings[port.port].push_back(port.binding);
        }
}

struct Dependencies {
    std::string image_id;
    compose::State state;
};

/// Dependencies, networks, volumes and images are made ready.
Dependencies start_dependencies(Invocation& call, ComposeWork& work, compose::Project project,
                                const std::string& service) {
    const Arguments& arguments = call.arguments;
    compose::UpOptions options;
    options.no_recreate = true;
    options.remove_orphans = arguments.flag("remove-orphans");
    compose::ImageOptions images;
    images.build = arguments.flag("build");
    images.pull = compose_pull_policy(arguments);
    const compose::ImageMaker maker =
        compose_image_maker(call, project, arguments.flag("quiet-pull") || arguments.flag("quiet"),
                            arguments.flag("quiet-build") || arguments.flag("quiet"));
    PreparedUp prepared = prepare_up(call, work, project, options, images, maker, false);
    client::Client daemon = work.connect();
    compose::ensure_networks(daemon, work.work, project, false);
    compose::ensure_volumes(daemon, work.work, project, false);
    prepared.plan.services.erase(service);
    compose::apply_plan(work.work, project, prepared.plan, prepared.image_ids, options);
    Dependencies ready;
    ready.image_id = prepared.image_ids[service];
    ready.state = compose::read_state(daemon, project.name, project.directory);
    for (const compose::Member& member : project.get_service(service)["depends_on"].members)
        if (const std::string& condition = member.value["condition"].text;
            condition != "service_started")
            for (const compose::Container* container : ready.state.of_service(member.key))
                compose::wait_for_condition(daemon, work.work, *container, condition, {});
    return ready;
}

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    const std::string& name = arguments.positional[0];
    if (arguments.flag("service-ports") && !arguments.list("publish").empty())
        throw Error(ErrorKind::invalid_argument, "--service-ports and --publish are incompatible");
    compose::Project project = load_compose_project(call);
    compose::select_services(project, {name}, !arguments.flag("no-deps"));
    const bool detach = arguments.flag("detach");
    const bool terminal = !detach && !arguments.flag("no-tty") && arguments.flag("tty") &&
                          is_terminal(STDIN_FILENO) && is_terminal(STDOUT_FILENO);
    if (compose_dry_run(call)) {
        call.session.print_line(
            fmt::format("{}: run {}", name, compose::join_words(arguments.positional, " ")));
        return 0;
    }
    ComposeWork work(call);
    run_providers(call, work, project);
    const Node service = adjusted(project.get_service(name), project, arguments, terminal);
    AttachPlan plan;
    const compose::Container container = Session::from_daemon([&] {
        const Dependencies ready = start_dependencies(call, work, project, name);
        compose::ContainerPlace place;
        place.one_off = true;
        place.use_aliases = arguments.flag("use-aliases");
        place.use_ports = arguments.flag("service-ports");
        place.auto_remove = arguments.flag("rm");
        place.attach_output = !detach;
        place.attach_stdin = service["stdin_open"].is_true();
        place.image_id = ready.image_id;
        place.name = arguments.text("name").empty()
                         ? fmt::format("{}-{}-run-{}", project.name, name, random_hex(6))
                         : arguments.text("name");
        place.container_of = [&](const std::string& other) { return ready.state.get(other, 0).id; };
        place.names_of = [&](const std::string& other) {
            std::vector<std::string> names;
            for (const compose::Container* one : ready.state.of_service(other))
                names.push_back(one->name);
            return names;
        };
        client::Client daemon = work.connect();
        return compose::create_container(daemon, work.work, project, name, service, place,
                                         [&](compose::ContainerRequest& request) {
            add_mounts_and_ports(request, arguments, project);
        });
    });
    if (detach) {
        Session::from_daemon([&] { work.connect().start_container(container.id); });
        call.session.print_line(container.name);
        return 0;
    }
    plan.id = container.id;
    plan.terminal = terminal;
    plan.use_stdin = service["stdin_open"].is_true();
    plan.start = true;
    plan.wait_condition = arguments.flag("rm") ? "removed" : "next-exit";
    try {
        return attach(call.session, plan).exit_code;
    } catch (const Error& error) {
        call.session.complain_about(error);
        return start_failure_code(error.message());
    }
}

}  // namespace

const Command compose_run_command{
    .name = "compose run",
    .usage = "[OPTIONS] SERVICE [COMMAND] [ARGS...]",
    .summary = "Run a one-off command in a container of its own",
    .args = at_least(1),
    .flags = flags,
    .flags_end_at_positional = true,
    .run = run,
};

}  // namespace hull::cli
