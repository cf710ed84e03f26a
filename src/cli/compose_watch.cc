#include "cli/compose_watch.hh"
#include "base/error.hh"
#include "base/file.hh"
#include "base/sys.hh"
#include "cli/commands.hh"
#include "cli/compose_build.hh"
#include "cli/compose_call.hh"
#include "cli/compose_project.hh"
#include "cli/compose_provider.hh"
#include "cli/compose_up_flags.hh"
#include "cli/session.hh"
#include "compose/file_watch.hh"
#include "compose/values.hh"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"dry-run", 0, FlagType::boolean, "Say what would be done; do nothing"},
    {"no-up", 0, FlagType::boolean, "Do not build and start services before"},
    {"prune", 0, FlagType::boolean, "Remove dangling images after a rebuild", "true"},
    {"quiet", 0, FlagType::boolean, "No build output"},
};

/// Changes that come within this time are one.
constexpr int settle_ms = 50;

using compose::Node;

/// One rule of develop.watch.
struct Trigger {
    std::string service, path, action, target;
    std::vector<std::string> include, ignore;
    Node hook;
    bool initial_sync = false;

    /// What `changed` is called below the trigger's path; nullopt when it is not meant.
    std::optional<std::string> takes(const std::string& changed) const {
        std::string relative;
        if (changed == path)
            relative = changed.substr(changed.rfind('/') + 1);
        else if (changed.starts_with(path + "/"))
            relative = changed.substr(path.size() + 1);
        else
            return std::nullopt;
        if (!ignore.empty() && compose::matches_any(relative, ignore)) return std::nullopt;
        if (!include.empty() && !compose::matches_any(relative, include)) return std::nullopt;
        // Editors' leftovers and repositories are nobody's source.
        if (relative.ends_with("~") || relative.ends_with(".swp") || relative.starts_with(".git/"))
            return std::nullopt;
        return relative;
    }
};

std::vector<Trigger> read_triggers(const compose::Project& project) {
    std::vector<Trigger> triggers;
    for (const compose::Member& member : project.services().members)
        for (const Node& item : member.value["develop"]["watch"].items) {
            Trigger trigger{member.key,
                            item["path"].text,
                            item["action"].text,
                            item["target"].text,
                            item["include"].to_texts(),
                            item["ignore"].to_texts(),
                            item["exec"],
                            item["initial_sync"].is_true()};
            if (trigger.action.starts_with("sync") && trigger.target.empty())
                throw Error(ErrorKind::invalid_argument,
                            "{}: services.{}.develop.watch: {} needs a target",
                            compose::to_string(item.place), member.key, trigger.action);
            if (trigger.action == "rebuild" && !member.value.find("build"))
                throw Error(ErrorKind::invalid_argument,
                            "{}: services.{}.develop.watch: rebuild needs a build",
                            compose::to_string(item.place), member.key);
            triggers.push_back(std::move(trigger));
        }
    return triggers;
}

bool is_directory(const std::string& path) {
    struct stat stat = {};
    return ::stat(path.c_str(), &stat) == 0 && S_ISDIR(stat.st_mode);
}

class Watcher {
public:
    Watcher(Invocation& call, const compose::Project& project, ComposeWork& work,
            const WatchOptions& options)
        : call_(call),
          project_(project),
          work_(work),
          quiet_(options.quiet),
          prune_(options.prune),
          triggers_(read_triggers(project)) {
        if (triggers_.empty())
            throw Error(ErrorKind::invalid_argument,
                        "none of the selected services is configured for watch, consider setting a "
                        "'develop' section");
        for (const Trigger& trigger : triggers_) files_.add(trigger.path);
    }

    /// Until a signal comes.
    void run() {
        for (const Trigger& trigger : triggers_)
            if (trigger.initial_sync && trigger.action.starts_with("sync")) sync_all(trigger);
        sigset_t set;
        ::sigemptyset(&set);
        for (const int signal_number : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&set, signal_number);
        sigset_t previous;
        ::pthread_sigmask(SIG_BLOCK, &set, &previous);
        const Fd signals(::signalfd(-1, &set, SFD_CLOEXEC));
        call_.session.complain("Watch enabled");
        std::set<std::string> changed;
        for (;;) {
            pollfd fds[] = {{files_.fd(), POLLIN, 0}, {signals.get(), POLLIN, 0}};
            const int ready = ::poll(fds, 2, changed.empty() ? -1 : settle_ms);
            if (ready < 0 && errno != EINTR) throw_errno(errno, "poll");
            if (fds[1].revents) {
                // Taken, or it would end us when it is let through again.
                signalfd_siginfo info = {};
                (void)!::read(signals.get(), &info, sizeof info);
                break;
            }
            if (fds[0].revents) changed.merge(files_.take());
            if (ready == 0) handle(std::exchange(changed, {}));
        }
        ::pthread_sigmask(SIG_SETMASK, &previous, nullptr);
    }

private:
    void handle(const std::set<std::string>& changed) {
        for (const Trigger& trigger : triggers_) {
            std::vector<std::pair<std::string, std::string>> files;  // path, name below the trigger
            for (const std::string& path : changed)
                if (const auto relative = trigger.takes(path)) files.emplace_back(path, *relative);
            if (files.empty()) continue;
            try {
                act(trigger, files);
            } catch (const Error& error) {
                call_.session.complain(
                    fmt::format("{}: {}", trigger.service,
                                error.message()));  // the next change may be the remedy
            }
        }
    }

    void act(const Trigger& trigger,
             const std::vector<std::pair<std::string, std::string>>& files) {
        if (trigger.action == "rebuild") return rebuild(trigger.service);
        if (trigger.action.starts_with("sync")) {
            for (const auto& [path, relative] : files) sync(trigger, path, relative);
            call_.session.complain(
                fmt::format("Syncing service \"{}\" after {} changes were detected",
                            trigger.service, files.size()));
        }
        if (trigger.action == "restart" || trigger.action == "sync+restart")
            for (const compose::Container& container : containers(trigger.service)) {
                call_.session.ask([&](client::Client& daemon) {
                    daemon.post("/containers/" + container.id + "/restart");
                });
                call_.session.complain(fmt::format("service \"{}\" restarted", trigger.service));
            }
        if (trigger.action == "sync+exec") {
            Node hooks = Node::sequence();
            hooks.items.push_back(trigger.hook);
            for (const compose::Container& container : containers(trigger.service))
                call_.session.ask([&](client::Client& daemon) {
                    compose::run_hooks(daemon, container, hooks, "watch");
                });
        }
    }

    std::vector<compose::Container> containers(const std::string& service) {
        compose::State state = call_.session.ask([&](client::Client& daemon) {
            return compose::read_state(daemon, project_.name, project_.directory);
        });
        std::erase_if(state.containers, [&](const compose::Container& container) {
            return container.service != service || container.one_off || !container.is_running();
        });
        return state.containers;
    }

    /// A file that changed goes into every container of the service; one that is gone goes there,
    /// too.
    void sync(const Trigger& trigger, const std::string& path, const std::string& relative) {
        const std::string target = is_directory(trigger.path)
                                       ? compose::clean_path(trigger.target + "/" + relative)
                                       : trigger.target;
        struct stat stat = {};
        const bool exists = ::lstat(path.c_str(), &stat) == 0;
        for (const compose::Container& container : containers(trigger.service)) {
            Node hook = Node::mapping();
            Node& command = hook.get("command");
            command.kind = compose::Kind::sequence;
            const std::vector<std::string> words =
                exists ? std::vector<std::string>{"mkdir", "-p", compose::parent_directory(target)}
                       : std::vector<std::string>{"rm", "-rf", target};
            for (const std::string& word : words) command.items.push_back(Node::string(word));
            Node hooks = Node::sequence();
            hooks.items.push_back(std::move(hook));
            call_.session.ask([&](client::Client& daemon) {
                compose::run_hooks(daemon, container, hooks, "sync");
            });
            if (exists)
                call_command(call_.session, "cp", {"--quiet", path, container.id + ":" + target});
        }
    }

    void sync_all(const Trigger& trigger) {
        const std::string source = is_directory(trigger.path) ? trigger.path + "/." : trigger.path;
        for (const compose::Container& container : containers(trigger.service))
            call_command(call_.session, "cp",
                         {"--quiet", source, container.id + ":" + trigger.target});
    }

    void rebuild(const std::string& service) {
        call_.session.complain(
            fmt::format("Rebuilding service \"{}\" after changes were detected...", service));
        compose::Project project = project_;
        compose::select_services(project, {service}, true);
        compose::UpOptions options;
        options.targets = {service};
        compose::ImageOptions images;
        ComposeBuildOptions build;
        build.quiet = quiet_;
        build_compose_service(call_.session, project, service, build);
        const compose::ImageMaker maker = compose_image_maker(call_, project, true, quiet_);
        Session::from_daemon([&] {
            const PreparedUp prepared =
                prepare_up(call_, work_, project, options, images, maker, false);
            compose::apply_plan(work_.work, project, prepared.plan, prepared.image_ids, options);
        });
        if (prune_) remove_dangling_images();
        call_.session.complain(fmt::format("service \"{}\" successfully built", service));
    }

    /// What the images that were built before are now without a name.
    void remove_dangling_images() {
        client::Filters filters = compose::project_filter(project_.name);
        filters["dangling"] = {"true"};
        call_.session.ask([&](client::Client& daemon) {
            daemon.post("/images/prune", {{"filters", client::format_filters(filters)}});
        });
    }

    Invocation& call_;
    const compose::Project& project_;
    ComposeWork& work_;
    const bool quiet_, prune_;
    std::vector<Trigger> triggers_;
    compose::FileWatch files_;
};

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    compose::Project project = load_compose_project(call);
    compose::select_services(project, arguments.positional, true);
    if (compose_dry_run(call)) {
        for (const Trigger& trigger : read_triggers(project))
            call.session.print_line(
                fmt::format("{}: {} {}", trigger.service, trigger.action, trigger.path));
        return 0;
    }
    if (!arguments.flag("no-up")) {
        std::vector<std::string> words{"-d"};
        words.insert(words.end(), arguments.positional.begin(), arguments.positional.end());
        if (const int code = call_command(call.session, "compose up", words)) return code;
    }
    ComposeWork work(call);
    run_providers(call, work, project);
    watch_project(call, project,
                  {.quiet = arguments.flag("quiet"), .prune = arguments.flag("prune")});
    return 0;
}

}  // namespace

void watch_project(Invocation& call, const compose::Project& project, const WatchOptions& options) {
    ComposeWork work(call);
    Watcher(call, project, work, options).run();
}

const Command compose_watch_command{
    .name = "compose watch",
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "Watch the sources and update services as they change",
    .args = at_least(0),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli
