#include "base/error.hh"
#include "base/text.hh"
#include "base/time.hh"
#include "cli/commands.hh"
#include "cli/compose_project.hh"
#include "cli/compose_reporter.hh"
#include "cli/format.hh"
#include "cli/rows.hh"
#include "cli/session.hh"
#include "cli/values.hh"
#include "compose/values.hh"

#include <algorithm>
#include <set>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"all", 'a', FlagType::boolean, "Stopped ones, too (and those of `run`)"},
    {"filter", 0, FlagType::text, "Only what matches (status=STATE)"},
    {"format", 0, FlagType::text, "\"table\", \"json\", or a Go template", "table"},
    {"no-trunc", 0, FlagType::boolean, "Do not shorten"},
    {"orphans", 0, FlagType::boolean, "Those of services that are not in the file, too", "true"},
    {"quiet", 'q', FlagType::boolean, "Only IDs"},
    {"services", 0, FlagType::boolean, "Only names of services"},
    {"status", 0, FlagType::list, "Only those in this state"},
};

constexpr Listing::Column columns[] = {
    {"Name", "NAME"},
    {"Image", "IMAGE"},
    {"Command", "COMMAND"},
    {"Service", "SERVICE"},
    {"RunningFor", "CREATED"},
    {"CreatedAt", "CREATED AT"},
    {"Status", "STATUS"},
    {"Ports", "PORTS"},
    {"ID", "CONTAINER ID"},
    {"State", "STATE"},
    {"Names", "NAMES"},
    {"Labels", "LABELS"},
    {"Networks", "NETWORKS"},
    {"Mounts", "MOUNTS"},
    {"Size", "SIZE"},
    {"Project", "PROJECT"},
    {"Health", "HEALTH"},
    {"ExitCode", "EXIT CODE"},
    {"LocalVolumes", "LOCAL VOLUMES"},
    {"Publishers", "PUBLISHERS"},
};
constexpr Listing listing{
    "*formatter.ContainerContext",
    "table "
    "{{.Name}}\t{{.Image}}\t{{.Command}}\t{{.Service}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}",
    "{{.ID}}", columns};

/// "Exited (3) 2 minutes ago" -> 3.
std::int64_t exit_code_of(const std::string& status) {
    const std::size_t open = status.find('('), close = status.find(')');
    if (!status.starts_with("Exited") || open == std::string::npos || close == std::string::npos)
        return 0;
    return compose::parse_integer(std::string_view(status).substr(open + 1, close - open - 1))
        .value_or(0);
}

json::Value publishers(const api::ContainerSummary& container) {
    json::Array list;
    for (const api::PortSummary& port : container.ports)
        list.push_back(json::Object{{"URL", port.ip},
                                    {"TargetPort", port.private_port},
                                    {"PublishedPort", port.public_port},
                                    {"Protocol", port.type}});
    return list;
}

Row make_row(const compose::Container& container, const std::string& project, bool shorten,
             std::int64_t now_s) {
    Row row = make_container_row(container.summary, shorten, now_s);
    row.fields["Name"] = container.name;
    row.fields["Service"] = container.service;
    row.fields["Project"] = project;
    row.fields["ExitCode"] = exit_code_of(container.status);
    std::string health;
    for (const char* state : {"healthy", "unhealthy"})
        if (container.status.find(fmt::format("({})", state)) != std::string::npos) health = state;
    if (container.status.find("(health: starting)") != std::string::npos) health = "starting";
    row.fields["Health"] = health;
    row.fields["Publishers"] = publishers(container.summary);
    return row;
}

std::vector<std::string> wanted_states(const Arguments& arguments) {
    std::vector<std::string> states = arguments.list("status");
    if (const std::string& filter = arguments.text("filter"); !filter.empty()) {
        const auto [name, value] = parse_filter(filter);
        if (name == "status")
            states.push_back(value);
        else if (name != "source")
            throw Error(ErrorKind::invalid_argument, "invalid filter \"{}\": status=STATE", filter);
    }
    static constexpr std::string_view known[] = {"created", "restarting", "running", "removing",
                                                 "paused",  "exited",     "dead",    "stopped"};
    for (const std::string& state : states)
        if (std::find(std::begin(known), std::end(known), state) == std::end(known))
            throw Error(ErrorKind::invalid_argument, "unknown status \"{}\"", state);
    return states;
}

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    const ComposeScope scope = find_compose_scope(call);
    compose::State state = read_compose_state(call, scope, arguments.positional);
    const std::vector<std::string> states = wanted_states(arguments);
    const bool all = arguments.flag("all");
    std::erase_if(state.containers, [&](const compose::Container& container) {
        const bool is_orphan = scope.project &&
                               !scope.project->services().find(container.service) &&
                               !scope.project->disabled.find(container.service);
        if (is_orphan && !arguments.flag("orphans")) return true;
        if (!states.empty())
            return std::find(states.begin(), states.end(), container.state) == states.end();
        return !all && (container.one_off || container.state == "exited" ||
                        container.state == "dead" || container.state == "created");
    });
    if (arguments.flag("services")) {
        std::set<std::string> services;
        for (const compose::Container& container : state.containers)
            services.insert(container.service);
        for (const std::string& service : services) call.session.print_line(service);
        return 0;
    }
    if (arguments.flag("quiet")) {
        for (const compose::Container& container : state.containers)
            call.session.print_line(container.id);
        return 0;
    }
    std::vector<Row> rows;
    std::sort(state.containers.begin(), state.containers.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    for (const compose::Container& container : state.containers)
        rows.push_back(
            make_row(container, scope.name, !arguments.flag("no-trunc"), now_ns() / 1'000'000'000));
    call.session.print(format_listing(listing, arguments.text("format"), false, rows));
    return 0;
}

}  // namespace

const Command compose_ps_command{
    .name = "compose ps",
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "List containers",
    .args = at_least(0),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
