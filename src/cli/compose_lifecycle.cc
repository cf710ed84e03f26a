#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/compose_follow.hh"
#include "cli/compose_project.hh"
#include "cli/compose_provider.hh"
#include "cli/compose_reporter.hh"
#include "cli/compose_up_flags.hh"
#include "cli/confirm.hh"
#include "cli/session.hh"
#include "compose/down.hh"
#include "compose/parallel.hh"

#include <algorithm>

// start, stop, restart, kill, pause, unpause, rm and create: one thing done to containers that
// exist.
namespace hull::cli {
namespace {

using compose::Container;
using compose::State;
using Order = std::map<std::string, std::vector<std::string>>;

/// Does `body` to every container of `state`, services in `order`.
void for_each_container(ComposeWork& work, const State& state, const Order& order,
                        const std::function<void(client::Client&, const Container&)>& body) {
    compose::run_in_order(order, work.work.parallel, [&](const std::string& service) {
        std::vector<std::function<void()>> jobs;
        for (const Container& container : state.containers)
            if (container.service == service)
                jobs.push_back([&work, &body, &container] {
                    client::Client daemon = work.connect();
                    body(daemon, container);
                });
        if (!jobs.empty()) compose::run_all(jobs, work.work.parallel);
    });
}

/// Each service by itself.
Order no_order(const State& state) {
    Order order;
    for (const Container& container : state.containers) order[container.service];
    return order;
}

State state_of(const Invocation& call, const ComposeScope& scope) {
    State state = read_compose_state(call, scope, call.arguments.positional);
    std::erase_if(state.containers, [](const Container& container) { return container.one_off; });
    return state;
}

std::optional<int> timeout_of(const Arguments& arguments) {
    if (!arguments.given("timeout")) return std::nullopt;
    return static_cast<int>(arguments.integer("timeout"));
}

constexpr Flag start_flags[] = {
    {"dry-run", 0, FlagType::boolean, "Say what would be done; do nothing"},
    {"wait", 0, FlagType::boolean, "Return when all run and are healthy"},
    {"wait-timeout", 0, FlagType::integer, "Seconds to wait at most", "0"},
};
constexpr Flag stop_flags[] = {
    {"dry-run", 0, FlagType::boolean, "Say what would be done; do nothing"},
    {"timeout", 't', FlagType::integer, "Seconds a container has to stop", "0"},
};
constexpr Flag restart_flags[] = {
    {"dry-run", 0, FlagType::boolean, "Say what would be done; do nothing"},
    {"no-deps", 0, FlagType::boolean, "Leave services that depend on these alone"},
    {"timeout", 't', FlagType::integer, "Seconds a container has to stop", "0"},
};
constexpr Flag kill_flags[] = {
    {"dry-run", 0, FlagType::boolean, "Say what would be done; do nothing"},
    {"remove-orphans", 0, FlagType::boolean,
     "Remove containers of services that are not in the file"},
    {"signal", 's', FlagType::text, "Signal to send", "SIGKILL"},
};
constexpr Flag pause_flags[] = {
    {"dry-run", 0, FlagType::boolean, "Say what would be done; do nothing"},
};
constexpr Flag rm_flags[] = {
    {"all", 'a', FlagType::boolean, "Containers of `run`, too", "", nullptr, true},
    {"dry-run", 0, FlagType::boolean, "Say what would be done; do nothing"},
    {"force", 'f', FlagType::boolean, "Do not ask"},
    {"stop", 's', FlagType::boolean, "Stop them first"},
    {"volumes", 'v', FlagType::boolean, "Remove anonymous volumes, too"},
};

/// Tells instead of doing; true when that was asked for.
bool told_only(const Invocation& call, const State& state, std::string_view verb) {
    if (!compose_dry_run(call)) return false;
    for (const Container& container : state.containers)
        call.session.print_line(fmt::format("{}: {} {}", container.service, verb, container.name));
    return true;
}

int run_start(Invocation& call) {
    const ComposeScope scope = find_compose_scope(call);
    const State state = state_of(call, scope);
    if (state.containers.empty())
        throw Error(ErrorKind::not_found, "no container found for project \"{}\": not found",
                    scope.name);
    if (told_only(call, state, "start")) return 0;
    ComposeWork work(call);
    std::optional<int> timeout;
    if (call.arguments.given("wait-timeout"))
        timeout = static_cast<int>(call.arguments.integer("wait-timeout"));
    Session::from_daemon([&] {
        for_each_container(work, state, compose::start_order(state),
                           [&](client::Client& daemon, const Container& container) {
            const compose::Node* service =
                scope.project ? scope.project->services().find(container.service) : nullptr;
            if (service)
                for (const compose::Member& member : (*service)["depends_on"].members)
                    if (const std::string& condition = member.value["condition"].text;
                        condition != "service_started")
                        for (const Container* other : state.of_service(member.key))
                            compose::wait_for_condition(daemon, work.work, *other, condition,
                                                        timeout);
            if (!container.is_running())
                compose::start_container(daemon, work.work, container, scope.get());
            if (call.arguments.flag("wait"))
                compose::wait_until_ready(daemon, work.work, container, timeout);
        });
    });
    return 0;
}

int run_stop(Invocation& call) {
    const ComposeScope scope = find_compose_scope(call);
    const State state = state_of(call, scope);
    if (told_only(call, state, "stop")) return 0;
    ComposeWork work(call);
    Session::from_daemon([&] {
        for_each_container(work, state, compose::stop_order(state),
                           [&](client::Client& daemon, const Container& container) {
            compose::stop_container(daemon, work.work, container, timeout_of(call.arguments),
                                    scope.get());
        });
    });
    return 0;
}

int run_restart(Invocation& call) {
    const ComposeScope scope = find_compose_scope(call);
    State state = state_of(call, scope);
    if (!call.arguments.flag("no-deps") && scope.project && !call.arguments.positional.empty()) {
        // Services that asked to be restarted with what they depend on.
        std::vector<std::string> names = call.arguments.positional;
        for (const compose::Member& member : scope.project->services().members)
            for (const compose::Member& other : member.value["depends_on"].members) {
                const bool named = std::find(names.begin(), names.end(), other.key) != names.end();
                if (named && other.value["restart"].is_true() &&
                    std::find(names.begin(), names.end(), member.key) == names.end())
                    names.push_back(member.key);
            }
        state = read_compose_state(call, scope, names);
        std::erase_if(state.containers,
                      [](const Container& container) { return container.one_off; });
    }
    if (told_only(call, state, "restart")) return 0;
    ComposeWork work(call);
    http::Query query;
    if (const auto timeout = timeout_of(call.arguments))
        query.emplace_back("t", std::to_string(*timeout));
    Session::from_daemon([&] {
        for_each_container(work, state, compose::start_order(state),
                           [&](client::Client& daemon, const Container& container) {
            work.reporter.event("Container", container.name, "Restarting");
            daemon.post("/containers/" + container.id + "/restart", query);
            work.reporter.event("Container", container.name, "Started");
        });
    });
    return 0;
}

int run_kill(Invocation& call) {
    const ComposeScope scope = find_compose_scope(call);
    const State state = state_of(call, scope);
    if (told_only(call, state, "kill")) return 0;
    ComposeWork work(call);
    Session::from_daemon([&] {
        for_each_container(work, state, no_order(state),
                           [&](client::Client& daemon, const Container& container) {
            if (!container.is_running()) return;
            work.reporter.event("Container", container.name, "Killing");
            daemon.kill_container(container.id, call.arguments.text("signal"));
            work.reporter.event("Container", container.name, "Killed");
            const bool is_orphan =
                scope.project && !scope.project->services().find(container.service);
            if (is_orphan && call.arguments.flag("remove-orphans"))
                compose::remove_container(daemon, work.work, container, true, false);
        });
    });
    return 0;
}

int run_pause_or_unpause(Invocation& call, const char* verb, std::string_view from,
                         std::string_view doing, std::string_view done) {
    const ComposeScope scope = find_compose_scope(call);
    const State state = state_of(call, scope);
    if (told_only(call, state, verb)) return 0;
    ComposeWork work(call);
    Session::from_daemon([&] {
        for_each_container(work, state, no_order(state),
                           [&](client::Client& daemon, const Container& container) {
            if (container.state != from) return;
            work.reporter.event("Container", container.name, doing);
            daemon.post("/containers/" + container.id + "/" + verb);
            work.reporter.event("Container", container.name, done);
        });
    });
    return 0;
}
int run_pause(Invocation& call) {
    return run_pause_or_unpause(call, "pause", "running", "Pausing", "Paused");
}
int run_unpause(Invocation& call) {
    return run_pause_or_unpause(call, "unpause", "paused", "Unpausing", "Unpaused");
}

int run_rm(Invocation& call) {
    const Arguments& arguments = call.arguments;
    const ComposeScope scope = find_compose_scope(call);
    State state = read_compose_state(call, scope, arguments.positional);
    if (!arguments.flag("stop"))
        std::erase_if(state.containers,
                      [](const Container& container) { return container.is_running(); });
    if (state.containers.empty()) {
        call.session.complain("No stopped containers");
        return 0;
    }
    if (told_only(call, state, "remove")) return 0;
    if (!arguments.flag("force")) {
        std::string names;
        for (const Container& container : state.containers)
            names += (names.empty() ? "" : ", ") + container.name;
        if (!confirm(call.session, fmt::format("Going to remove {}\n", names))) return 0;
    }
    ComposeWork work(call);
    Session::from_daemon([&] {
        for_each_container(work, state, compose::stop_order(state),
                           [&](client::Client& daemon, const Container& container) {
            compose::stop_container(daemon, work.work, container, {}, scope.get());
            compose::remove_container(daemon, work.work, container, false,
                                      arguments.flag("volumes"));
        });
    });
    return 0;
}

/// Plans what `options` ask for and does it, or with --dry-run says it.
int carry_out(const Invocation& call, compose::Project project, const compose::UpOptions& options,
              const compose::ImageOptions& images, bool quiet_pull) {
    const bool dry_run = compose_dry_run(call);
    ComposeWork work(call, dry_run);
    run_providers(call, work, project, dry_run);
    const compose::ImageMaker maker = compose_image_maker(call, project, quiet_pull, false);
    Session::from_daemon([&] {
        const PreparedUp prepared =
            prepare_up(call, work, project, options, images, maker, dry_run);
        client::Client daemon = work.connect();
        compose::ensure_networks(daemon, work.work, project, dry_run);
        compose::ensure_volumes(daemon, work.work, project, dry_run);
        if (dry_run)
            call.session.print(compose::describe_plan(prepared.plan));
        else
            compose::apply_plan(work.work, project, prepared.plan, prepared.image_ids, options);
    });
    return 0;
}

int run_create(Invocation& call) {
    const Arguments& arguments = call.arguments;
    compose::UpOptions options = compose_up_options(arguments);
    options.no_start = true;
    compose::Project project = load_compose_project(call);
    compose::select_services(project, arguments.positional, true);
    options.scale = parse_scale(project, arguments.list("scale"));
    return carry_out(call, project, options, compose_image_options(arguments),
                     arguments.flag("quiet-pull"));
}

constexpr Flag scale_flags[] = {
    {"dry-run", 0, FlagType::boolean, "Say what would be done; do nothing"},
    {"no-deps", 0, FlagType::boolean, "Leave what the services depend on alone"},
};

int run_scale(Invocation& call) {
    const Arguments& arguments = call.arguments;
    compose::Project project = load_compose_project(call);
    compose::UpOptions options;
    options.scale = parse_scale(project, arguments.positional);
    std::vector<std::string> names;
    for (const auto& [name, count] : options.scale) names.push_back(name);
    compose::select_services(project, names, !arguments.flag("no-deps"));
    options.targets = names;
    options.no_recreate = true;
    return carry_out(call, project, options, {}, false);
}

}  // namespace

const Command compose_start_command{.name = "compose start",
                                    .usage = "[SERVICE...]",
                                    .summary = "Start containers that exist",
                                    .args = at_least(0),
                                    .flags = start_flags,
                                    .run = run_start};
const Command compose_stop_command{.name = "compose stop",
                                   .usage = "[OPTIONS] [SERVICE...]",
                                   .summary = "Stop containers",
                                   .args = at_least(0),
                                   .flags = stop_flags,
                                   .run = run_stop};
const Command compose_restart_command{.name = "compose restart",
                                      .usage = "[OPTIONS] [SERVICE...]",
                                      .summary = "Restart containers",
                                      .args = at_least(0),
                                      .flags = restart_flags,
                                      .run = run_restart};
const Command compose_kill_command{.name = "compose kill",
                                   .usage = "[OPTIONS] [SERVICE...]",
                                   .summary = "Send containers a signal",
                                   .args = at_least(0),
                                   .flags = kill_flags,
                                   .run = run_kill};
const Command compose_pause_command{.name = "compose pause",
                                    .usage = "[SERVICE...]",
                                    .summary = "Freeze containers",
                                    .args = at_least(0),
                                    .flags = pause_flags,
                                    .run = run_pause};
const Command compose_unpause_command{.name = "compose unpause",
                                      .usage = "[SERVICE...]",
                                      .summary = "Let frozen containers go on",
                                      .args = at_least(0),
                                      .flags = pause_flags,
                                      .run = run_unpause};
const Command compose_rm_command{.name = "compose rm",
                                 .usage = "[OPTIONS] [SERVICE...]",
                                 .summary = "Remove stopped containers",
                                 .args = at_least(0),
                                 .flags = rm_flags,
                                 .run = run_rm};
const Command compose_create_command{.name = "compose create",
                                     .usage = "[OPTIONS] [SERVICE...]",
                                     .summary = "Create containers without starting them",
                                     .args = at_least(0),
                                     .flags = compose_create_flags,
                                     .run = run_create};
const Command compose_scale_command{.name = "compose scale",
                                    .usage = "SERVICE=NUMBER...",
                                    .summary = "Run this many containers of services",
                                    .args = at_least(1),
                                    .flags = scale_flags,
                                    .run = run_scale};

}  // namespace hull::cli
