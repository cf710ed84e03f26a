#include "base/error.hh"
#include "base/text.hh"
#include "base/time.hh"
#include "cli/commands.hh"
#include "cli/compose_call.hh"
#include "cli/compose_project.hh"
#include "cli/compose_reporter.hh"
#include "cli/format.hh"
#include "cli/pull.hh"
#include "cli/session.hh"
#include "cli/values.hh"
#include "compose/hash.hh"
#include "compose/labels.hh"
#include "compose/values.hh"

#include <algorithm>
#include <set>

// What there is (images, ls, volumes, version) and what happens to it (events, wait), pull and
// push.
namespace hull::cli {
namespace {

constexpr Flag images_flags[] = {
    {"format", 0, FlagType::text, "\"table\" or \"json\"", "table"},
    {"quiet", 'q', FlagType::boolean, "Only IDs"},
};

int run_images(Invocation& call) {
    const ComposeScope scope = find_compose_scope(call);
    const compose::State state = read_compose_state(call, scope, call.arguments.positional);
    std::string text = "CONTAINER\tREPOSITORY\tTAG\tPLATFORM\tIMAGE ID\tSIZE\tCREATED\n";
    json::Array list;
    std::set<std::string> ids;
    for (const compose::Container& container : state.containers) {
        const json::Value image = call.session.ask(
            [&](client::Client& daemon) { return daemon.inspect_image_json(container.image_id); });
        const std::string& reference = container.image;
        const std::size_t slash = reference.rfind('/'),
                          colon = reference.find(':', slash == std::string::npos ? 0 : slash);
        const std::string repository = reference.substr(0, colon),
                          tag = colon == std::string::npos ? "latest" : reference.substr(colon + 1);
        const std::string platform =
            fmt::format("{}/{}", image["Os"].is_string() ? image["Os"].as_string() : "linux",
                        image["Architecture"].is_string() ? image["Architecture"].as_string() : "");
        const std::int64_t size = image["Size"].is_number() ? image["Size"].as_int() : 0;
        const auto created = image["Created"].is_string()
                                 ? parse_rfc3339(image["Created"].as_string())
                                 : std::nullopt;
        ids.insert(container.image_id);
        text += fmt::format(
            "{}\t{}\t{}\t{}\t{}\t{}\t{}\n", container.name, repository, tag, platform,
            short_id(container.image_id), human_size(static_cast<double>(size), 3),
            created ? human_duration((now_ns() - *created) / 1'000'000'000) + " ago" : "N/A");
        list.push_back(json::Object{{"ID", container.image_id},
                                    {"ContainerName", container.name},
                                    {"Repository", repository},
                                    {"Tag", tag},
                                    {"Platform", platform},
                                    {"Size", size}});
    }
    if (call.arguments.flag("quiet"))
        for (const std::string& id : ids) call.session.print_line(id);
    else if (call.arguments.text("format") == "json")
        call.session.print_line(json::dump(list));
    else
        call.session.print(align_columns(text));
    return 0;
}

constexpr Flag ls_flags[] = {
    {"all", 'a', FlagType::boolean, "Projects without a running container, too"},
    {"filter", 0, FlagType::filter, "Only what matches (name=PART)"},
    {"format", 0, FlagType::text, "\"table\" or \"json\"", "table"},
    {"quiet", 'q', FlagType::boolean, "Only names"},
};

struct ListedProject {
    std::string name, directory, files;
    std::map<std::string, int> states;
};

/// "exited(1), running(2)"
std::string status_of(const ListedProject& project) {
    std::string text;
    for (const auto& [state, count] : project.states)
        text += fmt::format("{}{}({})", text.empty() ? "" : ", ", state, count);
    return text;
}

int run_ls(Invocation& call) {
    const Arguments& arguments = call.arguments;
    client::Filters filters{{"label", {compose::labels::project}}};
    const auto containers = call.session.ask(
        [&](client::Client& daemon) { return daemon.list_containers(true, 0, false, filters); });
    std::map<std::pair<std::string, std::string>, ListedProject> projects;
    for (const api::ContainerSummary& container : containers) {
        const auto label = [&](const char* name) {
            const auto found = container.labels.find(name);
            return found == container.labels.end() ? std::string() : found->second;
        };
        if (label(compose::labels::one_off) == "True") continue;
        ListedProject& project =
            projects[{label(compose::labels::project), label(compose::labels::working_dir)}];
        project.name = label(compose::labels::project);
        project.directory = label(compose::labels::working_dir);
        project.files = label(compose::labels::config_files);
        ++project.states[container.state];
    }
    const auto wanted = make_filters(arguments.list("filter"));
    std::string text = "NAME\tSTATUS\tCONFIG FILES\n", names;
    json::Array list;
    for (const auto& [key, project] : projects) {
        if (!arguments.flag("all") && !project.states.contains("running")) continue;
        const auto parts = wanted.find("name");
        if (parts != wanted.end() &&
            std::none_of(parts->second.begin(), parts->second.end(),
                         [&, &name = project.name](const std::string& part) {
            return name.find(part) != std::string::npos;
            }))
            continue;
        text += fmt::format("{}\t{}\t{}\n", project.name, status_of(project), project.files);
        names += project.name + "\n";
        list.push_back(json::Object{{"Name", project.name},
                                    {"Status", status_of(project)},
                                    {"ConfigFiles", project.files}});
    }
    if (arguments.flag("quiet"))
        call.session.print(names);
    else if (arguments.text("format") == "json")
        call.session.print_line(json::dump(list));
    else
        call.session.print(align_columns(text));
    return 0;
}

constexpr Flag volumes_flags[] = {
    {"format", 0, FlagType::text, "\"table\" or \"json\"", "table"},
    {"quiet", 'q', FlagType::boolean, "Only names"},
};

int run_volumes(Invocation& call) {
    const ComposeScope scope = find_compose_scope(call);
    const json::Value reply = call.session.ask([&](client::Client& daemon) {
        return daemon.get(
            "/volumes", {{"filters", client::format_filters(compose::project_filter(scope.name))}});
    });
    std::string text = "DRIVER\tVOLUME NAME\n", names;
    const json::Value& list = reply["Volumes"];
    if (list.is_array())
        for (const json::Value& volume : list.as_array()) {
            text +=
                fmt::format("{}\t{}\n", volume["Driver"].as_string(), volume["Name"].as_string());
            names += volume["Name"].as_string() + "\n";
        }
    if (call.arguments.flag("quiet"))
        call.session.print(names);
    else if (call.arguments.text("format") == "json")
        call.session.print_line(json::dump(list.is_array() ? list : json::Value(json::Array())));
    else
        call.session.print(align_columns(text));
    return 0;
}

constexpr Flag version_flags[] = {
    {"format", 'f', FlagType::text, "\"pretty\" or \"json\"", "pretty"},
    {"short", 0, FlagType::boolean, "Only the number"},
};

int run_version(Invocation& call) {
    const std::string version = HULL_VERSION;
    if (call.arguments.flag("short"))
        call.session.print_line(version);
    else if (call.arguments.text("format") == "json")
        call.session.print_line(json::dump(json::Object{{"version", version}}));
    else
        call.session.print_line("Hull Compose version " + version);
    return 0;
}

constexpr Flag events_flags[] = {
    {"json", 0, FlagType::boolean, "One JSON object a line"},
    {"since", 0, FlagType::text, "Events since this time"},
    {"until", 0, FlagType::text, "Events until this time"},
};

std::string timestamp(const Arguments& arguments, std::string_view name) {
    return arguments.text(name).empty() ? "" : parse_timestamp(arguments.text(name), now_ns());
}

int run_events(Invocation& call) {
    const ComposeScope scope = find_compose_scope(call);
    const std::vector<std::string>& services = call.arguments.positional;
    client::Filters filters = compose::project_filter(scope.name);
    filters["type"] = {"container"};
    call.session.ask([&](client::Client& daemon) {
        daemon.events(timestamp(call.arguments, "since"), timestamp(call.arguments, "until"),
                      filters,
                      [&](const api::EventMessage& event) {
            std::map<std::string, std::string> attributes;
            std::string service, directory;
            for (const auto& [name, value] : event.actor.attributes) {
                if (name == compose::labels::service) service = value;
                if (name == compose::labels::working_dir) directory = value;
                if (!name.starts_with("com.docker.compose.") && !name.starts_with("hull.compose."))
                    attributes[name] = value;
            }
            if (!services.empty() &&
                std::find(services.begin(), services.end(), service) == services.end())
                return true;
            if (!scope.directory.empty() && !directory.empty() && directory != scope.directory)
                return true;
            const std::string time = local_rfc3339(event.time_ns, true);
            if (call.arguments.flag("json")) {
                call.session.print_line(json::dump(json::Object{{"time", time},
                                                                {"type", "container"},
                                                                {"service", service},
                                                                {"id", event.actor.id},
                                                                {"action", event.action},
                                                                {"attributes", attributes}}));
                return true;
            }
            std::string text;
            for (const auto& [name, value] : attributes)
                text += fmt::format("{}{}={}", text.empty() ? "" : ", ", name, value);
            call.session.print_line(
                fmt::format("{} container {} {} ({})", time, event.action, event.actor.id, text));
            return true;
        });
    });
    return 0;
}

constexpr Flag wait_flags[] = {
    {"down-project", 0, FlagType::boolean, "Take the project down when the first container ends"},
};

int run_wait(Invocation& call) {
    const ComposeScope scope = find_compose_scope(call);
    const compose::State state = read_compose_state(call, scope, call.arguments.positional);
    int code = 0;
    std::size_t count = 0;
    for (const compose::Container& container : state.containers) {
        if (container.one_off) continue;
        ++count;
        client::Client daemon = call.session.make_client();
        http::ClientResponse waiting =
            Session::from_daemon([&] { return daemon.start_wait(container.id, "not-running"); });
        const api::WaitResponse ended = client::Client::finish_wait(waiting);
        code = static_cast<int>(ended.status_code);
        call.session.print_line(
            fmt::format("container \"{}\" exited with status code {}", container.name, code));
        if (call.arguments.flag("down-project")) break;
    }
    if (!count) throw Error(ErrorKind::not_found, "no containers for project \"{}\"", scope.name);
    if (call.arguments.flag("down-project")) call_command(call.session, "compose down", {});
    return code;
}

constexpr Flag pull_flags[] = {
    {"dry-run", 0, FlagType::boolean, "Say what would be done; do nothing"},
    {"ignore-buildable", 0, FlagType::boolean, "Leave images that can be built alone"},
    {"ignore-pull-failures", 0, FlagType::boolean, "Go on when an image cannot be pulled"},
    {"include-deps", 0, FlagType::boolean, "Those of dependencies, too"},
    {"policy", 0, FlagType::text, "\"missing\" or \"always\"", "always"},
    {"quiet", 'q', FlagType::boolean, "No progress"},
};
constexpr Flag push_flags[] = {
    {"dry-run", 0, FlagType::boolean, "Say what would be done; do nothing"},
    {"ignore-push-failures", 0, FlagType::boolean, "Go on when an image cannot be pushed"},
    {"include-deps", 0, FlagType::boolean, "Those of dependencies, too"},
    {"quiet", 'q', FlagType::boolean, "No progress"},
};

/// Does `body` with the image of each service, once each. Failures are told; the code says whether
/// there were any that count.
int for_each_image(
    Invocation& call, const char* verb, bool ignore_failures,
    const std::function<bool(const compose::Node&)>& takes,
    const std::function<void(const std::string& image, const std::string& platform)>& body) {
    compose::Project project = load_compose_project(call);
    compose::select_services(project, call.arguments.positional,
                             call.arguments.flag("include-deps"));
    std::set<std::string> done;
    int failures = 0;
    for (const std::string& name : project.service_names()) {
        const compose::Node& service = project.get_service(name);
        if (!takes(service)) continue;
        const std::string image = compose::image_of(project, name);
        if (!done.insert(image).second) continue;
        if (compose_dry_run(call)) {
            call.session.print_line(fmt::format("{}: {} {}", name, verb, image));
            continue;
        }
        try {
            body(image, service["platform"].text);
        } catch (const Error& error) {
            call.session.complain(fmt::format("{}: {}", name, error.message()));
            ++failures;
        }
    }
    return failures && !ignore_failures ? 1 : 0;
}

int run_pull(Invocation& call) {
    const Arguments& arguments = call.arguments;
    const std::string& policy = arguments.text("policy");
    if (policy != "always" && policy != "missing")
        throw Error(ErrorKind::invalid_argument, "invalid --policy \"{}\": missing or always",
                    policy);
    return for_each_image(
        call, "pull", arguments.flag("ignore-pull-failures"),
        [&](const compose::Node& service) {
        return service.find("image") &&
               !(service.find("build") && arguments.flag("ignore-buildable"));
        },
        [&](const std::string& image, const std::string& platform) {
        if (policy == "missing") {
            const bool there = call.session.ask([&](client::Client& daemon) {
                try {
                    daemon.inspect_image_json(image);
                    return true;
                } catch (const Error& error) {
                    if (error.kind() != ErrorKind::not_found) throw;
                    return false;
                }
            });
            if (there) return;
        }
        pull_image(call.session, image, platform,
                   arguments.flag("quiet") ? PullOutput::quiet : PullOutput::standard_error);
    });
}

int run_push(Invocation& call) {
    return for_each_image(
        call, "push", call.arguments.flag("ignore-push-failures"),
        [](const compose::Node& service) { return service.find("build") && service.find("image"); },
        [&](const std::string& image, const std::string&) {
        std::vector<std::string> words;
        if (call.arguments.flag("quiet")) words.push_back("--quiet");
        words.push_back(image);
        if (call_command(call.session, "push", words) != 0)
            throw Error(ErrorKind::internal, "{} could not be pushed", image);
        });
}

}  // namespace

const Command compose_images_command{.name = "compose images",
                                     .usage = "[OPTIONS] [SERVICE...]",
                                     .summary = "List images that containers were made of",
                                     .args = at_least(0),
                                     .flags = images_flags,
                                     .run = run_images};
const Command compose_ls_command{.name = "compose ls",
                                 .usage = "[OPTIONS]",
                                 .summary = "List projects",
                                 .args = exactly(0),
                                 .flags = ls_flags,
                                 .run = run_ls};
const Command compose_volumes_command{.name = "compose volumes",
                                      .usage = "[OPTIONS] [SERVICE...]",
                                      .summary = "List volumes",
                                      .args = at_least(0),
                                      .flags = volumes_flags,
                                      .run = run_volumes};
const Command compose_version_command{.name = "compose version",
                                      .usage = "[OPTIONS]",
                                      .summary = "Show the version",
                                      .args = exactly(0),
                                      .flags = version_flags,
                                      .run = run_version};
const Command compose_events_command{.name = "compose events",
                                     .usage = "[OPTIONS] [SERVICE...]",
                                     .summary = "Print what happens to containers as it happens",
                                     .args = at_least(0),
                                     .flags = events_flags,
                                     .run = run_events};
const Command compose_wait_command{.name = "compose wait",
                                   .usage = "SERVICE [SERVICE...] [OPTIONS]",
                                   .summary = "Wait until containers of services end",
                                   .args = at_least(1),
                                   .flags = wait_flags,
                                   .run = run_wait};
const Command compose_pull_command{.name = "compose pull",
                                   .usage = "[OPTIONS] [SERVICE...]",
                                   .summary = "Pull images of services",
                                   .args = at_least(0),
                                   .flags = pull_flags,
                                   .run = run_pull};
const Command compose_push_command{.name = "compose push",
                                   .usage = "[OPTIONS] [SERVICE...]",
                                   .summary = "Push images of services",
                                   .args = at_least(0),
                                   .flags = push_flags,
                                   .run = run_push};

}  // namespace hull::cli
