#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/compose_call.hh"
#include "cli/compose_follow.hh"
#include "cli/compose_project.hh"
#include "cli/compose_provider.hh"
#include "cli/compose_up_flags.hh"
#include "cli/compose_watch.hh"
#include "cli/create_flags.hh"
#include "cli/session.hh"
#include "compose/parallel.hh"

#include <unistd.h>

#include <algorithm>
#include <exception>
#include <thread>

namespace hull::cli {
namespace {

constexpr auto flags = concat(
    compose_create_flags,
    std::to_array<Flag>({
        {"abort-on-container-exit", 0, FlagType::boolean, "Stop all containers when one ends"},
        {"abort-on-container-failure", 0, FlagType::boolean,
         "Stop all containers when one ends with an error"},
        {"always-recreate-deps", 0, FlagType::boolean,
         "Recreate what the named services depend on, too"},
        {"attach", 0, FlagType::list, "Show the output of these services only"},
        {"attach-dependencies", 0, FlagType::boolean, "Show the output of dependencies, too"},
        {"detach", 'd', FlagType::boolean, "Leave the containers running in the background"},
        {"exit-code-from", 0, FlagType::text, "End with the exit code of this service's container"},
        {"no-attach", 0, FlagType::list, "Do not show the output of these services"},
        {"no-color", 0, FlagType::boolean, "No colors"},
        {"no-deps", 0, FlagType::boolean, "Leave what the named services depend on alone"},
        {"no-log-prefix", 0, FlagType::boolean, "No names in front of lines"},
        {"no-start", 0, FlagType::boolean, "Create, but do not start"},
        {"quiet-build", 0, FlagType::boolean, "Build without output"},
        {"renew-anon-volumes", 'V', FlagType::boolean,
         "New anonymous volumes instead of those of the containers before"},
        {"rolling", 0, FlagType::boolean,
         "Replace containers one by one, each started and healthy before the old one goes"},
        {"timeout", 't', FlagType::integer, "Seconds a container has to stop", "0"},
        {"timestamps", 0, FlagType::boolean, "Show timestamps"},
        {"wait", 0, FlagType::boolean, "Return when all run and are healthy; implies --detach"},
        {"wait-timeout", 0, FlagType::integer, "Seconds to wait at most", "0"},
        {"watch", 'w', FlagType::boolean, "Watch the sources and update services as they change"},
    }));

bool contains(const std::vector<std::string>& list, const std::string& name) {
    return std::find(list.begin(), list.end(), name) != list.end();
}

compose::UpOptions read_options(const Arguments& arguments) {
    compose::UpOptions options = compose_up_options(arguments);
    options.always_recreate_deps = arguments.flag("always-recreate-deps");
    if (options.always_recreate_deps && options.no_recreate)
        throw Error(ErrorKind::invalid_argument,
                    "--always-recreate-deps and --no-recreate are incompatible");
    options.renew_anonymous_volumes = arguments.flag("renew-anon-volumes");
    options.no_start = arguments.flag("no-start");
    if (arguments.given("timeout"))
        options.stop_timeout_s = static_cast<int>(arguments.integer("timeout"));
    if (arguments.given("wait-timeout"))
        options.wait_timeout_s = static_cast<int>(arguments.integer("wait-timeout"));
    return options;
}

void check_flags(const Arguments& arguments) {
    const bool detach = arguments.flag("detach");
    for (const char* name : {"abort-on-container-exit", "abort-on-container-failure",
                             "exit-code-from", "attach", "attach-dependencies"})
        if (detach && arguments.given(name))
            throw Error(ErrorKind::invalid_argument, "--detach cannot be combined with --{}", name);
    if (arguments.flag("wait") &&
        (arguments.flag("abort-on-container-exit") || arguments.given("exit-code-from")))
        throw Error(ErrorKind::invalid_argument,
                    "--wait cannot be combined with --abort-on-container-exit or --exit-code-from");
}

/// `up` in the foreground: containers are made while their output is shown.
class Attached {
public:
    Attached(Invocation& call, ComposeWork& work, const compose::Project& project,
             const compose::UpOptions& options, const PreparedUp& prepared)
        : call_(call),
          work_(work),
          project_(project),
          options_(options),
          prepared_(prepared),
          view_({.prefix = !call.arguments.flag("no-log-prefix"),
                 .color = compose_colors(call, call.arguments.flag("no-color")),
                 .timestamps = call.arguments.flag("timestamps")}),
          follower_(call.session, project.name, view_) {}

    int run() {
        std::exception_ptr failed;
        bool is_up = false;
        std::thread maker([&] {
            try {
                compose::apply_plan(work_.work, project_, prepared_.plan, prepared_.image_ids,
                                    options_, [&](const compose::Container& container, bool) {
                                        follower_.attach(container, shows(container.service));
                                    });
            } catch (...) {
                failed = std::current_exception();
            }
            is_up = true;
            follower_.wake();
        });
        const auto ends = [this](const Follower::Exit& exit) { return stops_all(exit); };
        Follower::End end = follower_.run(false, ends);
        std::optional<Follower::End> early;
        if (end.why != Follower::Why::woken)
            early = end;  // the makers are waited for, then it counts
        maker.join();
        if (failed) std::rethrow_exception(failed);
        end = early ? *early : follower_.run(true, ends);
        switch (end.why) {
            case Follower::Why::signal: return interrupted();
            case Follower::Why::exited: return stopped_by(*end.exit);
            default: return 0;
        }
    }

private:
    bool shows(const std::string& service) const {
        const Arguments& arguments = call_.arguments;
        const std::vector<std::string>& only = arguments.list("attach");
        if (contains(arguments.list("no-attach"), service)) return false;
        if (!only.empty()) return contains(only, service);
        const compose::Node* attach = project_.get_service(service).find("attach");
        if (attach && !attach->is_true()) return false;
        return arguments.positional.empty() || arguments.flag("attach-dependencies") ||
               contains(arguments.positional, service);
    }

    bool stops_all(const Follower::Exit& exit) const {
        const Arguments& arguments = call_.arguments;
        if (arguments.flag("abort-on-container-failure")) return exit.code != 0;
        return arguments.flag("abort-on-container-exit") ||
               !arguments.text("exit-code-from").empty();
    }

    void stop_all(bool kill) {
        const compose::State state =
            compose::read_state(call_.session.daemon(), project_.name, project_.directory);
        std::vector<std::function<void()>> jobs;
        for (const compose::Container& container : state.containers) {
            if (container.one_off || !container.is_running() ||
                !project_.services().find(container.service))
                continue;
            jobs.push_back([this, &container, kill] {
                client::Client daemon = work_.connect();
                try {
                    if (kill)
                        daemon.kill_container(container.id, "KILL");
                    else
                        compose::stop_container(daemon, work_.work, container,
                                                options_.stop_timeout_s, &project_);
                } catch (const Error& error) {
                    if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::conflict)
                        throw;
                }
            });
        }
        if (!jobs.empty()) compose::run_all(jobs, work_.work.parallel);
    }

    /// Stops while output is still shown; a signal meanwhile kills. True when that happened.
    bool stop_while_following() {
        std::exception_ptr failed;
        std::thread stopper([&] {
            try {
                stop_all(false);
            } catch (...) {
                failed = std::current_exception();
            }
            follower_.wake();
        });
        bool killed = false;
        for (bool stopping = true; stopping;) {
            const Follower::End end = follower_.run(false, [this](const Follower::Exit& exit) {
                exits_.push_back(exit);
                return false;
            });
            if (end.why == Follower::Why::signal && !killed) {
                killed = true;
                stop_all(true);
            }
            stopping = end.why != Follower::Why::woken;
        }
        stopper.join();
        if (failed && !killed) std::rethrow_exception(failed);
        follower_.run(true, [this](const Follower::Exit& exit) {
            exits_.push_back(exit);
            return false;
        });
        return killed;
    }

    int interrupted() {
        call_.session.complain("Gracefully Stopping... press Ctrl+C again to force");
        stop_while_following();
        return 130;
    }

    int stopped_by(const Follower::Exit& exit) {
        call_.session.complain("Aborting on container exit...");
        exits_.push_back(exit);
        stop_while_following();
        const std::string wanted = call_.arguments.text("exit-code-from").empty()
                                       ? exit.container.service
                                       : call_.arguments.text("exit-code-from");
        for (const Follower::Exit& one : exits_)
            if (one.container.service == wanted) return one.code;
        return code_of(wanted);
    }

    int code_of(const std::string& service) {
        const compose::State state =
            compose::read_state(call_.session.daemon(), project_.name, project_.directory);
        return static_cast<int>(
            call_.session.daemon().inspect_container(state.get(service, 0).id).state.exit_code);
    }

    Invocation& call_;
    ComposeWork& work_;
    const compose::Project& project_;
    const compose::UpOptions& options_;
    const PreparedUp& prepared_;
    LogView view_;
    Follower follower_;
    std::vector<Follower::Exit> exits_;
};

void wait_for_all(ComposeWork& work, const compose::Project& project,
                  const compose::UpOptions& options) {
    client::Client daemon = work.connect();
    const compose::State state = compose::read_state(daemon, project.name, project.directory);
    std::vector<std::function<void()>> jobs;
    for (const compose::Container& container : state.containers) {
        if (container.one_off || !project.services().find(container.service)) continue;
        jobs.push_back([&work, &options, &container] {
            client::Client connection = work.connect();
            compose::wait_until_ready(connection, work.work, container, options.wait_timeout_s);
        });
    }
    if (!jobs.empty()) compose::run_all(jobs, work.work.parallel);
}

/// Rolls what must be recreated; the rest of the plan is applied afterwards.
void roll(ComposeWork& work, const compose::Project& project, PreparedUp& prepared,
          const compose::UpOptions& options) {
    for (const std::string& name : compose::dependency_order(project)) {
        std::vector<compose::ContainerChange>& changes = prepared.plan.services[name];
        compose::roll_service(work.work, project, name, changes, prepared.image_ids[name], options);
        std::erase_if(changes, [](const compose::ContainerChange& change) {
            return change.change == compose::Change::recreate;
        });
    }
}

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    check_flags(arguments);
    compose::UpOptions options = read_options(arguments);
    compose::Project project = load_compose_project(call);
    compose::select_services(project, arguments.positional, !arguments.flag("no-deps"));
    options.scale = parse_scale(project, arguments.list("scale"));
    if (const std::string& service = arguments.text("exit-code-from"); !service.empty())
        project.get_service(service);
    const bool dry_run = compose_dry_run(call);
    ComposeWork work(call, dry_run);
    run_providers(call, work, project, dry_run);
    const compose::ImageMaker maker = compose_image_maker(
        call, project, arguments.flag("quiet-pull"), arguments.flag("quiet-build"));
    return Session::from_daemon([&] {
        PreparedUp prepared = prepare_up(call, work, project, options,
                                         compose_image_options(arguments), maker, dry_run);
        client::Client daemon = work.connect();
        compose::ensure_networks(daemon, work.work, project, dry_run);
        compose::ensure_volumes(daemon, work.work, project, dry_run);
        if (dry_run) {
            call.session.print(compose::describe_plan(prepared.plan));
            return 0;
        }
        if (arguments.flag("rolling")) roll(work, project, prepared, options);
        const bool detach = arguments.flag("detach") || arguments.flag("wait") ||
                            options.no_start || arguments.flag("watch");
        if (!detach) return Attached(call, work, project, options, prepared).run();
        compose::apply_plan(work.work, project, prepared.plan, prepared.image_ids, options);
        if (arguments.flag("wait")) wait_for_all(work, project, options);
        if (arguments.flag("watch") && !options.no_start) {
            watch_project(call, project, {.quiet = arguments.flag("quiet-build")});
            return call_command(call.session, "compose stop", {});
        }
        return 0;
    });
}

}  // namespace

const Command compose_up_command{
    .name = "compose up",
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "Create and start containers",
    .args = at_least(0),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
