#include "base/error.hh"
#include "base/json.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "engine/caller.hh"
#include "engine/ending.hh"
#include "engine/implementation.hh"
#include "engine/log_target.hh"
#include "engine/mounts.hh"
#include "engine/names.hh"
#include "engine/signals.hh"
#include "engine/staged_mounts.hh"
#include "engine/text.hh"
#include "engine/validate.hh"
#include "linux/cgroup.hh"
#include "store/space.hh"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>

namespace hull::engine {

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t kill_timeout_ns = 10 * second_ns;

std::string_view phase_word(const RunState& state) {
    return state.phase == Phase::created ? "created" : to_string(state.phase);
}

[[noreturn]] void throw_gone(const std::string& name) {
    throw Error(ErrorKind::not_found, "No such container: {}", name);
}

int stop_signal_of(const Definition& definition) {
    return definition.config.stop_signal.empty() ? SIGTERM
                                                 : parse_signal(definition.config.stop_signal);
}

}  // namespace

// ---------------------------------------------------------------- start

void Engine::Implementation::start(const std::string& name, const std::string& detach_keys) {
    parse_detach_keys(detach_keys);
    ContainerPointer container = table_.get(name);
    std::lock_guard operation(container->operation);
    {
        std::lock_guard lock(container->mutex);
        if (container->removed) throw_gone(name);
        const RunState& state = container->record->state;
        if (state.phase == Phase::paused)
            throw Error(ErrorKind::conflict,
                        "cannot start a paused container, try unpause instead");
        if (state.is_running()) throw Error(ErrorKind::not_modified, "already started");
        if (container->removing || state.phase == Phase::dead)
            throw Error(ErrorKind::conflict,
                        "container is marked for removal and cannot be started");
        ++container->restart_ticket;
        // By hand it begins anew: the start writes this down.
        container->backoff_ns = 0;
        show_state(*container, [](RunState& next) { next.restart_count = 0; });
    }
    start_locked(*container);
}

SeccompChoice Engine::Implementation::seccomp_of(const Definition& definition) {
    std::string text = seccomp_profile_text(definition, options_);
    if (text.empty()) return {};
    return seccomp_.get(text, effective_capabilities(definition.host));
}

pid_t Engine::Implementation::running_pid(const std::string& name) {
    RecordPointer record = table_.get(name)->snapshot();
    if (!record->state.is_running())
        throw Error(ErrorKind::conflict, "cannot join namespaces of a non running container: {}",
                    name);
    return record->state.pid;
}

SpecInputs Engine::Implementation::spec_inputs(const Definition& definition,
                                               const SeccompChoice& seccomp) {
    return {definition,
            options_,
            host_,
            paths(definition.id).directory,
            seccomp,
            default_apparmor_,
            [this](const std::string& name) { return running_pid(name); },
            nullptr,
            {},
            secrets.environment(definition.host.secrets)};
}

/// Writes all that the shim reads. Returns the layers' mounts, to be held until it has them.
std::vector<std::shared_ptr<const Fd>> Engine::Implementation::prepare_bundle(
    const Record& record, const std::vector<PlannedMount>& mounts,
    const std::optional<network::Attached>& attached) {
    const Definition& definition = *record.definition;
    const ContainerPaths where = paths(definition.id);
    const bool first_start = record.state.started_ns == 0;
    if (!first_start) {
        // The kernel refuses a work directory that an unclean volatile mount has marked.
        sys::remove_tree(where.work);
        sys::mkdir(where.work, 0700);
        sys::unlink(where.exit_record);
    }
    write_network_files(where, definition, options_,
                        network_names(definition, attached ? attached->sandbox.get() : nullptr));

    const SeccompChoice seccomp = seccomp_of(definition);
    SpecInputs inputs = spec_inputs(definition, seccomp);
    inputs.mounts = &mounts;
    if (attached) inputs.network_namespace = attached->namespace_path;
    if (std::string donor = container_of_mode(definition.host.network_mode); !donor.empty())
        inputs.network_files = paths(table_.get(donor)->id).directory;
    const oci::Spec spec = make_spec(inputs);
    write_file(where.config, json::dump(oci::to_json(spec)), 0600);

    shim::LaunchConfig launch;
    launch.id = definition.id;
    launch.bundle = where.directory;
    launch.runtime_directory = where.runtime_directory;
    launch.exit_file = where.exit_record;
    launch.rootfs = store_.prepare_rootfs(definition.diff_ids, where.upper, where.work);
    launch.rootfs.lowers.push_back(
        {linux_::LowerLayer::Kind::directory, skeleton_directory(options_)});
    launch.rootfs.is_volatile = definition.host.auto_remove || definition.is_step;
    launch.seccomp_filter = seccomp.filter;
    if (definition.host.init.value_or(false))
        launch.init_program = join(options_.programs, "hull-init");
    launch.log = make_log_config(definition, where.logs);
    if (const auto attributes = log_attributes(definition, record.name);
        !attributes.empty() && launch.log.driver == "json-file") {
        json::Object object;
        for (const auto& [name, value] : attributes) object[name] = value;
        launch.log.attributes = json::dump(object);
    }
    if (is_remote_log(launch.log.driver))
        set_log_target(launch.log, definition, record.name, join(options_.programs, "hull-log"));
    launch.terminal = definition.config.tty;
    launch.open_stdin = definition.config.open_stdin;
    launch.stdin_once = definition.config.stdin_once;
    launch.rows = static_cast<unsigned short>(definition.host.console_size[0]);
    launch.columns = static_cast<unsigned short>(definition.host.console_size[1]);
    write_file(where.launch, shim::dump_launch_config(launch), 0600);
    return store_.share_mounts(launch.rootfs);
}

/// With container.operation held, or before anybody else knows the container.
void Engine::Implementation::start_locked(Container& container) {
    RecordPointer record = container.snapshot();
    std::vector<std::shared_ptr<const Fd>> mounts;
    std::vector<PlannedMount> plan = record->definition->plan;
    bool has_volumes = false;
    std::optional<network::Attached> attached;
    StagedMounts staged(staging_directory());
    try {
        volumes.mount(plan, container.id);
        has_volumes = true;
        make_bind_sources(plan);
        staged.stage(plan, store_);
        staged.stage_secrets(plan, secret_files(*record->definition));
        check_propagation(plan);
        map_ids(plan, record->definition->config.user);
        attached = start_networks(*record->definition);
        mounts = prepare_bundle(*record, plan, attached);
    } catch (const Error& error) {
        const std::string message =
            error.message() + store::describe_shortage(options_.data_root, container_files_bytes);
        if (has_volumes) volumes.unmount(plan, container.id);
        fail_start(container, message, 128);
        throw Error(error.kind(), "{}", message);
    }
    std::vector<task::Attachment> attachments;
    {
        std::lock_guard lock(container.mutex);
        container.starting = true;
        container.last_signal.clear();
        container.early_exit.reset();
        attachments = std::move(container.pending);
        container.pending.clear();
    }
    task::StartResult result;
    // Before its first output: who follows the log from StartedAt on wants all of it.
    const std::int64_t started_ns = now_ns();
    try {
        std::vector<int> layers;
        for (const auto& mount : mounts) layers.push_back(mount->get());
        result =
            tasks_.start(container.id, paths(container.id).launch, std::move(attachments), layers);
    } catch (const Error& error) {
        result.error = error.message();
        result.exit_code = 128;
    }
    if (!result.error.empty()) {
        // 126, 127: what is to be run cannot be, which the caller can mend.
        const bool is_callers_fault = result.exit_code == 126 || result.exit_code == 127;
        if (!is_callers_fault)
            result.error += store::describe_shortage(options_.data_root, container_files_bytes);
        {
            std::lock_guard lock(container.mutex);
            container.starting = false;
            container.early_exit.reset();
        }
        volumes.unmount(plan, container.id);
        fail_start(container, result.error, result.exit_code);
        throw Error(is_callers_fault ? ErrorKind::invalid_argument : ErrorKind::internal, "{}",
                    result.error);
    }
    networks_.settle_start(container.id);
    if (attached && attached->sandbox) publish_endpoints(*attached->sandbox, "connect");
    std::optional<task::ExitRecord> early_exit;
    {
        std::lock_guard lock(container.mutex);
        update_state(container, [&](RunState& state) {
            begin_run(state, result.pid, result.start_time, started_ns);
            begin_health(state, *record->definition);
        });
        watch_health(container);
        record = container.record;
        publish(*record, "start");  // under the lock: its end is told of after it
        container.starting = false;
        early_exit = std::exchange(container.early_exit, std::nullopt);
    }
    if (early_exit) handle_exit(container, *early_exit);
}

void Engine::Implementation::fail_start(Container& container, const std::string& error,
                                        int exit_code) {
    const ContainerPaths where = paths(container.id);
    ::unlink(where.exit_record.c_str());  // it did not run, whatever its shim's end has left
    stop_networks(container.id);
    bool auto_remove = false;
    {
        std::lock_guard lock(container.mutex);
        container.pending.clear();
        update_state(container, [&](RunState& state) {
            if (state.started_ns != 0) state.phase = Phase::exited;
            if (state.phase == Phase::restarting) state.phase = Phase::created;
            state.pid = 0;
            state.exit_code = exit_code;
            state.error = error;
            state.finished_ns = state.started_ns == 0 ? 0 : now_ns();
        });
        auto_remove = container.record->definition->host.auto_remove && !container.removing;
        if (auto_remove) container.removing = true;
    }
    answer_waiters(container, false, {exit_code, error});
    if (auto_remove) remove_ended(container);
}

// ---------------------------------------------------------------- exit

void Engine::Implementation::on_exit(const std::string& id, const task::ExitRecord& record) {
    ContainerPointer container = table_.find(id);
    if (!container) return;
    {
        std::lock_guard lock(container->mutex);
        if (container->starting) {
            container->early_exit = record;
            return;
        }
        if (!container->record->state.is_running()) return;
    }
    handle_exit(*container, record);
}

bool Engine::Implementation::should_restart(const Record& record,
                                            const task::ExitRecord& exit) const {
    const api::RestartPolicy& policy = record.definition->host.restart_policy;
    if (record.state.stopped_by_user || shutting_down_) return false;
    if (policy.name == "always" || policy.name == "unless-stopped") return true;
    return policy.name == "on-failure" && exit.code != 0 &&
           (policy.maximum_retry_count == 0 ||
            record.state.restart_count < policy.maximum_retry_count);
}

void Engine::Implementation::handle_exit(Container& container, const task::ExitRecord& exit) {
    constexpr std::int64_t first_backoff_ns = second_ns / 10;
    constexpr std::int64_t longest_backoff_ns = 60 * second_ns;
    constexpr std::int64_t good_run_ns = 10 * second_ns;
    RecordPointer record;
    bool removes_itself = false, restarts = false;
    std::int64_t ran_ns = 0;
    std::uint64_t ticket = 0;
    // Before anybody hears of the end: who does may remove the volumes.
    volumes.unmount(container.snapshot()->definition->plan, container.id);
    // First: who sees the end may want the ports.
    const network::SandboxPointer networks = stop_networks(container.id);
    {
        std::lock_guard lock(container.mutex);
        const Record& before = *container.record;
        ++container.health_ticket;
        restarts = !container.removing && !container.keep_on_exit && should_restart(before, exit);
        removes_itself =
            before.definition->host.auto_remove && !container.removing && !container.keep_on_exit;
        const std::int64_t finished_ns = exit.exited_at_ns ? exit.exited_at_ns : now_ns();
        ran_ns = finished_ns - before.state.started_ns;
        auto change = [&](RunState& state) {
            state.phase = restarts ? Phase::restarting : Phase::exited;
            state.pid = 0;
            state.exit_code = exit.code;
            state.oom_killed = exit.oom_killed;
            state.reason = describe_end(exit, container.last_signal);
            // A signal's name says no more than the code does; a lost host does.
            if (!exit.reason.empty() && !exit.reason.starts_with("signal"))
                state.error = exit.reason;
            state.finished_ns = finished_ns;
            if (restarts) ++state.restart_count;
            // Docker's word for one that nobody checks any more.
            if (state.health) state.health->status = Health::Status::unhealthy;
        };
        if (removes_itself) {
            // The row goes in a moment: until then "running" makes the next daemon remove it.
            auto next = std::make_shared<Record>(before);
            change(next->state);
            next->state.phase = Phase::removing;
            container.record = std::move(next);
            container.removing = true;
            container.changed.notify_all();
        } else {
            update_state(container, change);
        }
        if (restarts) {
            container.backoff_ns = ran_ns > good_run_ns || container.backoff_ns == 0
                                       ? first_backoff_ns
                                       : std::min(container.backoff_ns * 2, longest_backoff_ns);
            ticket = ++container.restart_ticket;
        }
        record = container.record;
        // Under the lock: who waits for the end tells of a stop after it.
        publish(*record, "die",
                {{"exitCode", std::to_string(exit.code)},
                 {"execDuration", std::to_string(ran_ns / second_ns)}});
    }
    if (networks) publish_endpoints(*networks, "disconnect");
    answer_waiters(container, false, {exit.code, ""});
    if (removes_itself) remove_ended(container);
    end_execs(container);
    if (restarts) schedule_restart(container, ticket, container.backoff_ns);
}

void Engine::Implementation::schedule_restart(const Container& container, std::uint64_t ticket,
                                              std::int64_t delay_ns) {
    restarter_.run_later(delay_ns,
                         [this, id = container.id, ticket] { run_scheduled_restart(id, ticket); });
}

void Engine::Implementation::run_scheduled_restart(const std::string& id, std::uint64_t ticket) {
    try {
        ContainerPointer container = table_.find(id);
        if (!container) return;
        std::lock_guard operation(container->operation);
        {
            std::lock_guard lock(container->mutex);
            if (container->removed || container->removing || container->restart_ticket != ticket ||
                container->record->state.is_running())
                return;
        }
        start_locked(*container);
    } catch (const std::exception& error) {
        log::warning("restarting container {}: {}", id, error.what());
    }
}

void Engine::Implementation::on_oom(const std::string& id) {
    ContainerPointer container = table_.find(id);
    if (!container) return;
    RecordPointer record;
    {
        std::lock_guard lock(container->mutex);
        if (!container->record->state.oom_killed && container->record->state.is_running())
            update_state(*container, [](RunState& state) { state.oom_killed = true; });
        record = container->record;
    }
    publish(*record, "oom");
}

void Engine::Implementation::answer_waiters(Container& container, bool removed,
                                            const WaitResult& result) {
    std::vector<WaiterPointer> ready;
    {
        std::lock_guard lock(container.mutex);
        auto is_ready = [&](const WaiterPointer& waiter) {
            return removed || waiter->condition != WaitCondition::removed;
        };
        auto first =
            std::stable_partition(container.waiters.begin(), container.waiters.end(),
                                  [&](const WaiterPointer& waiter) { return !is_ready(waiter); });
        ready.assign(std::make_move_iterator(first),
                     std::make_move_iterator(container.waiters.end()));
        container.waiters.erase(first, container.waiters.end());
    }
    for (const WaiterPointer& waiter : ready) waiter->answer(result);
}

// ---------------------------------------------------------------- stop and kill

/// False when it still runs after `timeout_ns` (negative: never give up).
bool Engine::Implementation::wait_until_stopped(Container& container, std::int64_t timeout_ns) {
    std::unique_lock lock(container.mutex);
    auto stopped = [&] { return container.removed || !container.record->state.is_running(); };
    if (timeout_ns < 0) {
        container.changed.wait(lock, stopped);
        return true;
    }
    return container.changed.wait_for(lock, std::chrono::nanoseconds(timeout_ns), stopped);
}

void Engine::Implementation::signal_running(Container& container, int signal_number,
                                            const std::string& request, const std::string& detail) {
    RecordPointer record = container.snapshot();
    {
        std::lock_guard lock(container.mutex);
        container.last_signal = fmt::format("{} of a {}{}", signal_name(signal_number),
                                            describe_request(request), detail);
    }
    if (record->state.phase == Phase::paused && signal_number == SIGKILL) {
        set_frozen(*record->definition, false);  // v1 delivers it only then
    }
    try {
        tasks_.signal(container.id, signal_number);
    } catch (const Error& error) {
        // It ended in this moment; its exit is on the way to us.
        if (error.kind() != ErrorKind::conflict && error.kind() != ErrorKind::not_found) throw;
    }
    publish(*record, "kill", {{"signal", std::to_string(signal_number)}});
}

void Engine::Implementation::kill_and_wait(Container& container, const std::string& request,
                                           const std::string& detail) {
    signal_running(container, SIGKILL, request, detail);
    if (wait_until_stopped(container, kill_timeout_ns)) return;
    try {
        tasks_.kill_all(container.id);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::conflict) throw;  // it has just ended
    }
    if (wait_until_stopped(container, kill_timeout_ns)) return;
    throw Error(ErrorKind::internal, "container {} did not end after SIGKILL within {} seconds",
                container.id, 2 * kill_timeout_ns / second_ns);
}

std::string Engine::Implementation::stop_locked_out(Container& container, int signal_number,
                                                    int timeout_s, const std::string& request) {
    RecordPointer record = container.snapshot();
    // One that has just been started may get its handlers in a moment.
    constexpr std::int64_t youth_ns = 2 * second_ns, pause_ns = second_ns / 50;
    while (timeout_s > 0 && now_ns() - record->state.started_ns < youth_ns &&
           is_deaf_to(record->state.pid, signal_number))
        if (wait_until_stopped(container, pause_ns)) break;
    const bool is_deaf = is_deaf_to(record->state.pid, signal_number);
    const std::string signal = signal_name(signal_number);
    std::string warning;
    signal_running(container, signal_number, request);
    if (record->state.phase == Phase::paused) set_frozen(*record->definition, false);
    if (is_deaf && timeout_s > 0) {
        warning = fmt::format(
            "container {}: its first process has no handler for {} and would never get it: killed "
            "at once (--init, or a program that handles it, ends it in order)",
            record->name, signal);
        log::info("{}", warning);
        kill_and_wait(
            container, request,
            fmt::format(", at once: its first process has no handler for {}, see --init", signal));
    } else if (!wait_until_stopped(container, timeout_s < 0 ? -1 : timeout_s * second_ns)) {
        kill_and_wait(container, request, fmt::format(", {} s after {}", timeout_s, signal));
    }
    publish(*container.snapshot(), "stop");
    return warning;
}

std::string Engine::Implementation::stop(const std::string& name,
                                         const std::optional<std::string>& signal,
                                         std::optional<int> timeout_s, const std::string& request) {
    ContainerPointer container = table_.get(name);
    RecordPointer record = container->snapshot();
    const int signal_number =
        signal && !signal->empty() ? parse_signal(*signal) : stop_signal_of(*record->definition);
    const auto& own_timeout = record->definition->config.stop_timeout;
    const int seconds = timeout_s ? *timeout_s : static_cast<int>(own_timeout.value_or(10));
    {
        // Waits for a start in flight, so that there is something to stop.
        std::lock_guard operation(container->operation);
        std::lock_guard lock(container->mutex);
        if (container->removed) throw_gone(name);
        const Phase phase = container->record->state.phase;
        if (phase == Phase::restarting) {
            ++container->restart_ticket;
            update_state(*container, [](RunState& state) {
                state.phase = Phase::exited;
                state.stopped_by_user = true;
            });
            return "";
        }
        if (!container->record->state.is_running())
            throw Error(ErrorKind::not_modified, "already stopped");
        update_state(*container, [](RunState& state) { state.stopped_by_user = true; });
    }
    return stop_locked_out(*container, signal_number, seconds, request);
}

void Engine::Implementation::drain(const std::string& name) {
    ContainerPointer container = table_.get(name);
    std::lock_guard operation(container->operation);
    if (!container->snapshot()->state.is_running())
        throw Error(ErrorKind::conflict, "container {} is not running", name);
    networks_.withdraw_names(container->id);
}

void Engine::Implementation::restart(const std::string& name,
                                     const std::optional<std::string>& signal,
                                     std::optional<int> timeout_s, const std::string& request) {
    ContainerPointer container = table_.get(name);
    {
        std::lock_guard lock(container->mutex);
        container->keep_on_exit = true;  // a --rm container survives its restart
    }
    struct Reset {
        Container& container;
        ~Reset() {
            std::lock_guard lock(container.mutex);
            container.keep_on_exit = false;
        }
    } reset{*container};
    try {
        stop(name, signal, timeout_s, request);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_modified) throw;
    }
    try {
        start(name, "");
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_modified) throw;
    }
    publish(*container->snapshot(), "restart");
}

void Engine::Implementation::kill(const std::string& name, const std::string& signal) {
    const int signal_number = signal.empty() ? SIGKILL : parse_signal(signal);
    ContainerPointer container = table_.get(name);
    RecordPointer record;
    {
        std::lock_guard operation(container->operation);
        std::lock_guard lock(container->mutex);
        record = container->record;
        if (container->removed) throw_gone(name);
        if (!record->state.is_running())
            throw Error(ErrorKind::conflict,
                        "Cannot kill container: {}: Container {} is not running", name,
                        container->id);
        if (signal_number == SIGKILL || signal_number == stop_signal_of(*record->definition))
            update_state(*container, [](RunState& state) { state.stopped_by_user = true; });
    }
    if (signal_number == SIGKILL)
        kill_and_wait(*container, "kill");
    else
        signal_running(*container, signal_number, "kill");
}

// ---------------------------------------------------------------- pause

linux_::Cgroup Engine::Implementation::running_cgroup(const Definition& definition) {
    const auto state = find_file(join(paths(definition.id).runtime_directory, "shim.json"));
    return linux_::Cgroup::open(host_.cgroups, state ? json::parse(*state)["cgroup"].as_string()
                                                     : cgroup_path(definition, options_));
}

void Engine::Implementation::set_frozen(const Definition& definition, bool frozen) {
    auto cgroup = running_cgroup(definition);
    if (frozen)
        cgroup.freeze();
    else
        cgroup.thaw();
}

void Engine::Implementation::pause(const std::string& name, bool pause) {
    ContainerPointer container = table_.get(name);
    std::lock_guard operation(container->operation);
    RecordPointer record = container->snapshot();
    const RunState& state = record->state;
    if (pause && state.phase == Phase::paused)
        throw Error(ErrorKind::conflict, "Container {} is already paused", container->id);
    if (pause && state.phase == Phase::restarting)
        throw Error(ErrorKind::conflict,
                    "Container {} is restarting, wait until the container is running",
                    container->id);
    if (!state.is_running())
        throw Error(pause ? ErrorKind::conflict : ErrorKind::internal, "Container {} is not {}",
                    container->id, pause ? "running" : "paused");
    if (!pause && state.phase != Phase::paused)
        throw Error(ErrorKind::internal, "Container {} is not paused", container->id);
    set_frozen(*record->definition, pause);
    {
        std::lock_guard lock(container->mutex);
        if (!container->record->state.is_running()) return;  // ended meanwhile
        update_state(*container,
                     [&](RunState& next) { next.phase = pause ? Phase::paused : Phase::running; });
        ++container->health_ticket;
        watch_health(*container);
        record = container->record;
    }
    publish(*record, pause ? "pause" : "unpause");
}

// ---------------------------------------------------------------- rename, remove, prune

void Engine::Implementation::rename(const std::string& name, std::string new_name) {
    if (name.empty() || new_name.empty())
        throw Error(ErrorKind::invalid_argument, "Neither old nor new names may be empty");
    if (new_name.starts_with('/')) new_name.erase(0, 1);
    ContainerPointer container = table_.get(name);
    std::lock_guard operation(container->operation);
    RecordPointer before = container->snapshot();
    if (before->name == new_name)
        throw Error(ErrorKind::invalid_argument,
                    "Renaming a container with the same name as its current name");
    table_.rename(new_name, container->id);
    RecordPointer after;
    try {
        std::lock_guard lock(container->mutex);
        if (container->removed) throw_gone(name);
        auto next = std::make_shared<Record>(*container->record);
        next->name = new_name;
        database_.execute("UPDATE containers SET name = ? WHERE id = ?", new_name, container->id);
        networks_.rename_sandbox(container->id, new_name);
        container->record = after = std::move(next);
    } catch (...) {
        table_.release_name(new_name);
        throw;
    }
    table_.release_name(before->name);
    publish(*after, "rename", {{"oldName", "/" + before->name}});
}

void Engine::Implementation::remove(const std::string& name, const RemoveOptions& options) {
    ContainerPointer container = table_.get(name);
    std::lock_guard operation(container->operation);
    bool running = false;
    {
        std::lock_guard lock(container->mutex);
        if (container->removed) throw_gone(name);
        if (container->removing)
            throw Error(ErrorKind::conflict, "removal of container {} is already in progress",
                        name);
        const RunState& state = container->record->state;
        running = state.is_running();
        if ((running || state.phase == Phase::restarting) && !options.force) {
            const bool paused = state.phase == Phase::paused;
            throw Error(ErrorKind::conflict, "You cannot remove a {} container {}. {}",
                        phase_word(state), container->id,
                        paused ? "Unpause and then stop the container before attempting removal "
                                 "or force remove"
                               : "Stop the container before attempting removal or force remove");
        }
        container->removing = true;
        ++container->restart_ticket;
    }
    RecordPointer record = container->snapshot();
    try {
        if (running) kill_and_wait(*container, "removal");
        finish_removal(*container, options.volumes || record->definition->host.auto_remove);
    } catch (...) {
        std::lock_guard lock(container->mutex);
        container->removing = false;
        throw;
    }
}

/// The container has ended and `removing` is ours: takes the record away, answers who waits, and
/// leaves the files to the cleaner.
void Engine::Implementation::finish_removal(Container& container, bool with_volumes) {
    RecordPointer record = container.snapshot();
    // Before the row: a daemon that is killed in between removes them when it removes the container
    // again.
    volumes.give_back(record->definition->plan, container.id, with_volumes);
    try {
        std::lock_guard lock(container.mutex);
        record = container.record;
        delete_row(container.id);
        networks_.remove_sandbox(container.id);
        container.removed = true;
        container.pending.clear();
        container.changed.notify_all();
    } catch (...) {
        volumes.hold(record->definition->plan, container.id);
        throw;
    }
    const WaitResult result{record->state.exit_code, ""};
    {
        constexpr std::size_t kept = 1000;
        auto ended = ended_.lock();
        ended->push_back({container.id, record->name, result, monotonic_ns()});
        if (ended->size() > kept) ended->pop_front();
    }
    table_.erase(container.id, record->name);
    publish(*record, "destroy");
    answer_waiters(container, true, result);

    const ContainerPaths where = paths(container.id);
    Leftovers leftovers{container.id,
                        {where.directory, where.runtime_directory},
                        cgroup_path(*record->definition, options_)};
    cleaner_.add(std::move(leftovers));
}

PruneReport Engine::Implementation::prune(const Filters& filters, bool dry_run) {
    for (const auto& [filter, values] : filters)
        if (filter != "until" && filter != "label" && filter != "label!")
            throw Error(ErrorKind::invalid_argument, "invalid filter '{}'", filter);
    std::int64_t until_ns = 0;
    if (auto until = filters.find("until"); until != filters.end())
        for (const std::string& text : until->second) until_ns = parse_moment(text);
    auto has_label = [](const Definition& definition, const std::string& wanted) {
        auto label = definition.config.labels.find(wanted.substr(0, wanted.find('=')));
        return label != definition.config.labels.end() &&
               (wanted.find('=') == std::string::npos ||
                label->second == wanted.substr(wanted.find('=') + 1));
    };
    PruneReport report;
    for (const ContainerPointer& container : table_.list()) {
        RecordPointer record = container->snapshot();
        const Definition& definition = *record->definition;
        if (record->state.is_running() || record->state.phase == Phase::restarting) continue;
        if (until_ns && definition.created_ns >= until_ns) continue;
        auto labels = filters.find("label"), not_labels = filters.find("label!");
        auto matches_label = [&](const std::string& wanted) {
            return has_label(definition, wanted);
        };
        if (labels != filters.end() &&
            !std::all_of(labels->second.begin(), labels->second.end(), matches_label))
            continue;
        if (not_labels != filters.end() &&
            std::any_of(not_labels->second.begin(), not_labels->second.end(), matches_label))
            continue;
        const std::uint64_t bytes = tree_bytes(paths(container->id).upper);
        try {
            if (!dry_run) remove(container->id, {});
        } catch (const Error&) {  // started or removed meanwhile
            continue;
        }
        report.deleted.push_back(container->id);
        report.freed_bytes += bytes;
    }
    if (dry_run) return report;
    api::EventMessage event;
    event.type = "container";
    event.action = "prune";
    event.actor.attributes["reclaimed"] = std::to_string(report.freed_bytes);
    events.publish(std::move(event));
    return report;
}

}  // namespace hull::engine
