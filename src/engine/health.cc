#include "engine/health.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "engine/implementation.hh"
#include "engine/native_probe.hh"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <iterator>

namespace hull::engine {

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::string_view status_names[] = {"none", "starting", "healthy", "unhealthy"};

}  // namespace

std::string_view to_string(Health::Status status) { return status_names[static_cast<int>(status)]; }

Health::Status parse_health_status(std::string_view text) {
    for (std::size_t i = 0; i < std::size(status_names); ++i)
        if (status_names[i] == text) return static_cast<Health::Status>(i);
    throw Error(ErrorKind::data_loss, "unknown health status '{}'", text);
}

HealthCheck make_health_check(const api::ContainerConfig& config) {
    HealthCheck check;
    if (!config.healthcheck || config.healthcheck->test.empty()) return check;
    const api::HealthConfig& wanted = *config.healthcheck;
    const auto or_default = [](std::int64_t value, std::int64_t standard) {
        return value == 0 ? standard : value;
    };
    check.interval_ns = or_default(wanted.interval, 30 * second_ns);
    check.timeout_ns = or_default(wanted.timeout, 30 * second_ns);
    check.start_period_ns = wanted.start_period;
    check.start_interval_ns = or_default(wanted.start_interval, 5 * second_ns);
    check.retries = static_cast<int>(or_default(wanted.retries, 3));
    const std::string& kind = wanted.test.front();
    check.action = wanted.action == "none" ? "" : wanted.action;
    if (is_native_probe(kind)) check.native = parse_native_probe(wanted.test);
    if (kind == "CMD-SHELL") {
        if (config.shell.empty())
            check.command = {"/bin/sh", "-c"};
        else
            check.command = config.shell;
    }
    if (kind == "CMD" || kind == "CMD-SHELL")
        check.command.insert(check.command.end(), wanted.test.begin() + 1, wanted.test.end());
    return check;
}

Health after_probe(Health health, const HealthCheck& check, std::int64_t container_started_ns,
                   ProbeResult result) {
    constexpr std::size_t kept = 5;
    const bool is_starting = health.status == Health::Status::starting;
    const bool in_start_period =
        is_starting && result.started_ns - container_started_ns < check.start_period_ns;
    if (result.exit_code == 0) {
        health.failing_streak = 0;
        health.status = Health::Status::healthy;
    } else if (!in_start_period) {
        ++health.failing_streak;
        if (health.failing_streak >= check.retries) health.status = Health::Status::unhealthy;
    }
    health.log.push_back(std::move(result));
    if (health.log.size() > kept) health.log.erase(health.log.begin());
    return health;
}

std::int64_t next_probe_delay_ns(const Health& health, const HealthCheck& check,
                                 std::int64_t container_age_ns) {
    const bool in_start_period =
        health.status == Health::Status::starting && container_age_ns < check.start_period_ns;
    return in_start_period ? check.start_interval_ns : check.interval_ns;
}

std::string go_duration(std::int64_t ns) {
    if (ns < second_ns) {
        if (ns % 1'000'000 == 0) return fmt::format("{}ms", ns / 1'000'000);
        return fmt::format("{}ms", static_cast<double>(ns) / 1e6);
    }
    std::string text;
    const std::int64_t hours = ns / (3600 * second_ns), minutes = ns / (60 * second_ns) % 60;
    if (hours > 0) text += fmt::format("{}h", hours);
    if (hours > 0 || minutes > 0) text += fmt::format("{}m", minutes);
    const std::int64_t rest_ns = ns % (60 * second_ns);
    if (rest_ns % second_ns == 0) return text + fmt::format("{}s", rest_ns / second_ns);
    return text + fmt::format("{}s", static_cast<double>(rest_ns) / 1e9);
}

// ---------------------------------------------------------------- the engine's side

/// A run begins: nobody knows yet how it is. What was said before stays to be read.
void Engine::Implementation::begin_health(RunState& state, const Definition& definition) {
    if (!make_health_check(definition.config).is_set()) return;
    if (!state.health) state.health.emplace();
    state.health->status = Health::Status::starting;
    state.health->failing_streak = 0;
}

/// With container.mutex held, once it runs: after a start, an unpause, or the start of the daemon.
void Engine::Implementation::watch_health(Container& container) {
    const Record& record = *container.record;
    if (!record.state.health || record.state.phase != Phase::running) return;
    const HealthCheck check = make_health_check(record.definition->config);
    if (!check.is_set()) return;
    const std::uint64_t ticket = ++container.health_ticket;
    schedule_probe(
        container.id, ticket,
        next_probe_delay_ns(*record.state.health, check, now_ns() - record.state.started_ns));
}

void Engine::Implementation::schedule_probe(const std::string& id, std::uint64_t ticket,
                                            std::int64_t delay_ns) {
    prober_.run_later(delay_ns, [this, id, ticket] {
        try {
            start_probe(id, ticket);
        } catch (const std::exception& error) {
            log::warning("health check of container {}: {}", id, error.what());
        }
    });
}

void Engine::Implementation::start_probe(const std::string& id, std::uint64_t ticket) {
    ContainerPointer container = table_.find(id);
    if (!container) return;
    RecordPointer record;
    {
        std::lock_guard lock(container->mutex);
        if (container->removed || container->health_ticket != ticket) return;
        record = container->record;
    }
    const HealthCheck check = make_health_check(record->definition->config);
    if (!check.native.empty()) {
        try {
            start_native_probe(*record, ticket, check);
        } catch (const Error& error) {
            const std::int64_t now = now_ns();
            probe_result_taker(id, ticket)({now, now, -1, error.message()});
        }
        return;
    }
    api::ExecCreateRequest request;
    request.cmd = api::Strings(check.command);
    task::ExecRequest launch;
    launch.exec_id = random_hex(32);
    sys::SocketPair channel = sys::socketpair(SOCK_STREAM);
    prober_.watch({.id = launch.exec_id,
                   .output = std::move(channel.first),
                   .timeout_ns = check.timeout_ns,
                   .kill = [this, id, exec_id = launch.exec_id] { kill_probe(id, exec_id); },
                   .done = probe_result_taker(id, ticket)});
    try {
        const SeccompChoice seccomp = {};
        launch.process = make_exec_process(spec_inputs(*record->definition, seccomp), request);
        task::Attachment attachment;
        attachment.socket = std::move(channel.second);
        attachment.use_stdout = attachment.use_stderr = true;
        attachment.multiplexed = false;
        const task::StartResult result = tasks_.exec(id, launch, std::move(attachment));
        if (!result.error.empty()) prober_.failed(launch.exec_id, result.error);
    } catch (const Error& error) {
        prober_.failed(launch.exec_id, error.message());
    }
}

std::function<void(ProbeResult)> Engine::Implementation::probe_result_taker(const std::string& id,
                                                                            std::uint64_t ticket) {
    return [this, id, ticket](const ProbeResult& result) {
        try {
            take_probe_result(id, ticket, result);
        } catch (const std::exception& error) {
            log::warning("health check of container {}: {}", id, error.what());
        }
    };
}

/// From outside, in the container's network (or on its files): hull-probe is locked in before it
/// reads a byte, and nothing of it is to be seen in the container.
void Engine::Implementation::start_native_probe(const Record& record, std::uint64_t ticket,
                                                const HealthCheck& check) {
    const RunState& state = record.state;
    const bool is_file = check.native.front() == "file";
    const std::string target = fmt::format("/proc/{}/{}", state.pid, is_file ? "root" : "ns/net");
    const Fd place(::open(target.c_str(), (is_file ? O_PATH | O_DIRECTORY : O_RDONLY) | O_CLOEXEC));
    // Ended, and the pid perhaps somebody else's: its end is on the way to us.
    if (!place || find_start_time(state.pid) != state.start_time) return;
    const Path room = join(options_.exec_root, "probe");
    ::mkdir(room.c_str(), 0755);
    const Fd room_fd = sys::open(room, O_RDONLY | O_DIRECTORY);
    const Fd null = sys::open("/dev/null", O_RDONLY);
    sys::Pipe output = sys::pipe();
    Command command;
    command.arguments = {join(options_.programs, "hull-probe")};
    command.arguments.insert(command.arguments.end(), check.native.begin(), check.native.end());
    command.environment.emplace();
    command.descriptors = {
        {null.get(), 0}, {output.write_end.get(), 1}, {place.get(), 3}, {room_fd.get(), 4}};
    command.new_session = true;
    auto process = std::make_shared<Process>(Process::spawn(command));
    prober_.watch({.id = random_hex(32),
                   .output = std::move(output.read_end),
                   .process = process,
                   .timeout_ns = check.timeout_ns,
                   .kill = [process] { process->signal(SIGKILL); },
                   .done = probe_result_taker(record.id(), ticket)});
}

/// Once for each time it turns; a restart makes it "starting" again.
void Engine::Implementation::act_on_unhealthy(const Record& record, std::uint64_t ticket) {
    const std::string action = make_health_check(record.definition->config).action;
    if (action.empty()) return;
    log::info("container {} is unhealthy: {}", record.name, action);
    {
        const ContainerPointer container = table_.find(record.id());
        if (!container) return;
        std::lock_guard lock(container->mutex);
        if (container->removed || container->health_ticket != ticket) return;
    }
    const std::string request = fmt::format("failed health check ({})", action);
    if (action == "restart") return restart(record.id(), std::nullopt, std::nullopt, request);
    if (action == "stop") {
        stop(record.id(), std::nullopt, std::nullopt, request);
        return;
    }
    const ContainerPointer container = table_.get(record.id());
    // The restart policy has its say, unlike after a kill by hand.
    kill_and_wait(*container, request);
}

void Engine::Implementation::kill_probe(const std::string& id, const std::string& exec_id) {
    try {
        tasks_.signal_exec(id, exec_id, SIGKILL);
    } catch (const Error& error) {  // it has just ended, or the whole container has
        log::debug("health check of container {}: {}", id, error.message());
    }
}

void Engine::Implementation::take_probe_result(const std::string& id, std::uint64_t ticket,
                                               const ProbeResult& result) {
    ContainerPointer container = table_.find(id);
    if (!container) return;
    RecordPointer record;
    bool has_turned = false;
    {
        std::lock_guard lock(container->mutex);
        // What a probe says of a run that has ended, or was paused meanwhile, says nothing.
        if (container->removed || container->health_ticket != ticket ||
            !container->record->state.health)
            return;
        const RunState& state = container->record->state;
        const HealthCheck check = make_health_check(container->record->definition->config);
        Health health = after_probe(*state.health, check, state.started_ns, result);
        has_turned = health.status != state.health->status;
        const bool is_news = has_turned || health.failing_streak != state.health->failing_streak;
        const auto change = [&](RunState& next) { next.health = health; };
        // The log alone is not worth a write every few seconds.
        if (is_news)
            update_state(*container, change);
        else
            show_state(*container, change);
        record = container->record;
        schedule_probe(id, ticket,
                       next_probe_delay_ns(health, check, now_ns() - record->state.started_ns));
    }
    if (has_turned)
        publish(*record, fmt::format("health_status: {}", to_string(record->state.health->status)));
    if (has_turned && record->state.health->status == Health::Status::unhealthy)
        prober_.run_aside([this, record, ticket] {
            try {
                act_on_unhealthy(*record, ticket);
            } catch (const Error& error) {  // it has ended by itself, or been removed
                log::warning("container {}: acting on its health: {}", record->name,
                             error.message());
            }
        });
}

}  // namespace hull::engine
