#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "engine/implementation.hh"
#include "engine/staged_mounts.hh"
#include "engine/text.hh"
#include "linux/apparmor.hh"
#include "linux/systemd.hh"
#include "shim/launch_config.hh"
#include "shim/protocol.hh"
#include "task/orphan.hh"

#include <algorithm>
#include <set>

namespace hull::engine {

namespace {

constexpr db::Migration migrations[] = {
    {1,
     "CREATE TABLE containers (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, "
     "definition TEXT NOT NULL, state TEXT NOT NULL) WITHOUT ROWID;"
     "CREATE TABLE daemon (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;",
     "DROP TABLE containers; DROP TABLE daemon;"},
};

bool is_container_id(std::string_view name) {
    return name.size() == 64 &&
           name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// True when containers can run under docker-default. Without apparmor_parser they run unconfined,
/// as Docker's do; that it is there and fails is for `AppArmorDefault::problem`.
AppArmorDefault load_apparmor(const Host& host) {
    if (!host.has_apparmor) return {};
    try {
        linux_::load_default_apparmor_profile();
        return {.is_loaded = true, .problem = ""};
    } catch (const Error& error) {
        log::warning("{}", error.message());
        if (error.kind() == ErrorKind::unsupported) return {};
        return {.is_loaded = false, .problem = error.message()};
    }
}

std::string daemon_id(db::Database& database) {
    if (auto row = database.query_one<std::string>("SELECT value FROM daemon WHERE name = 'id'"))
        return std::get<0>(*row);
    const std::string id = random_hex(16);
    database.execute("INSERT INTO daemon (name, value) VALUES ('id', ?)", id);
    return id;
}

Host describe_host(const Options& options) {
    Host host = detect_host();
    host.systemd_cgroups = options.systemd_cgroups;
    if (!options.systemd_cgroups) return host;
    static_cast<void>(linux_::expand_slice(options.cgroup_parent));
    linux_::check_systemd(host.cgroups);
    return host;
}

}  // namespace

Engine::Implementation::Implementation(Options options, image::Images& images, store::Store& store,
                                       network::Networks& networks, db::Database& database)
    : volumes(options.data_root, database, events, cleaner_, *this),
      secrets(join(options.data_root, "secrets"), *this),
      options_(std::move(options)),
      reloaded_(Reloaded{options_.debug, options_.labels}),
      images_(images),
      store_(store),
      networks_(networks),
      database_(database),
      host_(describe_host(options_)),
      default_apparmor_(load_apparmor(host_)),
      seccomp_(join(options_.data_root, "seccomp"), host_),
      tasks_(join(options_.programs, "hull-shim"), options_.exec_root, *this) {
    sys::mkdir_all(join(options_.data_root, "containers"), 0710);
    make_skeleton(skeleton_directory(options_));
    sys::mkdir_all(join(options_.exec_root, "containers"), 0711);
    events.keep_in(join(options_.data_root, "events"));
    database_.migrate("engine", migrations);
    daemon_id_ = daemon_id(database_);
    load_records();
    images_.set_container_uses([this] {
        std::vector<image::ContainerUse> uses;
        for (const ContainerPointer& container : table_.list()) {
            RecordPointer record = container->snapshot();
            uses.push_back({record->id(), record->definition->image_id,
                            record->definition->config.image, record->state.is_running(),
                            record->definition->diff_ids});
            for (const PlannedMount& mount : record->definition->plan)
                if (mount.type == PlannedMount::Type::image)
                    uses.push_back({record->id(), mount.image_id, mount.source,
                                    record->state.is_running(), mount.diff_ids});
        }
        return uses;
    });
    images_.set_event_sink([this](std::string_view action, const std::string& id,
                                  const std::map<std::string, std::string>& attributes) {
        api::EventMessage event;
        event.type = "image";
        event.action = action;
        event.actor = {id, attributes};
        events.publish(std::move(event));
    });
    StagedMounts::clear(staging_directory());
    adopt_all();
    remove_steps();
    volumes.drop_unused_mounts();
    remove_strays();
}

Engine::Implementation::~Implementation() {
    prober_.stop();  // its jobs ask the tasks, which go first
    save_unsaved();
    images_.set_container_uses({});
    images_.set_event_sink({});
}

// ---------------------------------------------------------------- start-up

void Engine::Implementation::load_records() {
    for (auto& [id, name, definition, state] :
         database_.query<std::string, std::string, std::string, std::string>(
             "SELECT id, name, definition, state FROM containers")) {
        try {
            auto record = std::make_shared<Record>();
            record->definition =
                std::make_shared<const Definition>(parse_definition(json::parse(definition)));
            record->name = name;
            record->state = parse_run_state(json::parse(state));
            table_.reserve_name(name, id);
            volumes.hold(record->definition->plan, id);
            if (record->state.is_running()) volumes.adopt_mounts(record->definition->plan, id);
            table_.insert(std::make_shared<Container>(std::move(record)));
        } catch (const Error& error) {
            log::error("container {} ({}) cannot be loaded and is left alone: {}", name, id,
                       error.message());
        }
    }
}

/// How a container that was running when the host went down has ended.
static task::ExitRecord find_exit_before_reboot(const Path& exit_record) {
    if (auto text = find_file(exit_record)) {
        try {
            return shim::parse_exit_record(*text);
        } catch (const Error&) {  // torn by the crash
        }
    }
    task::ExitRecord record;
    record.code = 255;
    record.exited_at_ns = now_ns();
    record.reason = "the host went down while the container was running";
    return record;
}

void Engine::Implementation::adopt(Container& container) {
    RecordPointer record = container.snapshot();
    const ContainerPaths where = paths(container.id);
    std::optional<task::ExitRecord> ended;
    if (record->state.boot_id != host_.boot_id) {
        ended = find_exit_before_reboot(where.exit_record);
    } else {
        {
            // An exit that is told at once waits for us to be done.
            std::lock_guard lock(container.mutex);
            container.starting = true;
            container.last_signal.clear();
        }
        ended =
            tasks_.adopt(container.id, where.launch, record->state.pid, record->state.start_time);
        std::lock_guard lock(container.mutex);
        container.starting = false;
        if (!ended) ended = std::exchange(container.early_exit, std::nullopt);
        if (!ended) watch_health(container);
    }
    if (ended) handle_exit(container, *ended);
}

/// A run that the daemon before us has started and not written down: it was killed in between, or
/// its disk was full.
bool Engine::Implementation::settle_unrecorded_run(Container& container) {
    const ContainerPaths where = paths(container.id);
    const auto was_running = [&](const task::RecordedInit& init) {
        volumes.adopt_mounts(container.snapshot()->definition->plan, container.id);
        std::lock_guard lock(container.mutex);
        update_state(container, [&](RunState& state) {
            begin_run(state, init.pid, init.start_time, init.started_ns);
            begin_health(state, *container.snapshot()->definition);
        });
    };
    if (const auto init = task::find_recorded_init(where.runtime_directory)) {
        was_running(*init);
        adopt(container);
        return true;
    }
    const std::optional<std::string> launch = find_file(where.launch);
    if (!launch) return false;
    const auto ended = task::find_exit_record(shim::parse_launch_config(*launch));
    if (!ended || ended->exited_at_ns <= container.snapshot()->state.finished_ns) return false;
    was_running({.pid = 0, .start_time = 0, .started_ns = ended->exited_at_ns});
    handle_exit(container, *ended);
    return true;
}

/// Whether one that had ended runs when the daemon starts: `always` even when it was stopped by
/// hand, the others not.
static bool comes_back_with_daemon(const Record& record) {
    if (record.state.phase != Phase::exited) return false;
    const api::RestartPolicy& policy = record.definition->host.restart_policy;
    if (policy.name == "always") return true;
    return policy.name == "unless-stopped" && !record.state.stopped_by_user;
}

void Engine::Implementation::adopt_all() {
    std::vector<ContainerPointer> ended;
    for (const ContainerPointer& container : table_.list()) {
        try {
            if (container->snapshot()->state.is_running())
                adopt(*container);
            else if (!settle_unrecorded_run(*container))
                ended.push_back(container);
        } catch (const std::exception& error) {
            log::error("adopting container {}: {}", container->id, error.what());
        }
    }
    restore_networks();  // before anything starts again
    for (const ContainerPointer& container : ended) {
        RecordPointer record = container->snapshot();
        try {
            const api::HostConfig& host = record->definition->host;
            if (host.auto_remove && record->state.phase != Phase::created) {
                std::lock_guard operation(container->operation);
                container->removing = true;
                remove_ended(*container);
            } else if (record->state.phase == Phase::restarting ||
                       comes_back_with_daemon(*record)) {
                schedule_restart(*container, container->restart_ticket, 0);
            }
        } catch (const std::exception& error) {
            log::error("adopting container {}: {}", container->id, error.what());
        }
    }
}

/// Nobody waits for the build steps of the daemon before us.
void Engine::Implementation::remove_steps() {
    for (const ContainerPointer& container : table_.list()) {
        if (!container->snapshot()->definition->is_step) continue;
        try {
            remove(container->id, {.force = true, .volumes = true});
        } catch (const Error& error) {
            log::warning("removing build step {}: {}", container->id, error.message());
        }
    }
}

/// Files and cgroups that no record knows: of a daemon that was killed between two steps.
void Engine::Implementation::remove_strays() {
    std::set<std::string> known;
    for (const ContainerPointer& container : table_.list()) known.insert(container->id);
    for (auto& [id] : database_.query<std::string>("SELECT id FROM containers")) known.insert(id);
    std::set<std::string> strays;
    auto collect = [&](const Path& directory) {
        for (const std::string& name : find_names(directory))
            if (is_container_id(name) && !known.contains(name)) strays.insert(name);
    };
    collect(join(options_.data_root, "containers"));
    collect(join(options_.exec_root, "containers"));
    for (const std::string& id : strays) {
        const ContainerPaths where = paths(id);
        cleaner_.add(
            {id, {where.directory, where.runtime_directory}, cgroup_path("", id, options_)});
    }
}

}  // namespace hull::engine
