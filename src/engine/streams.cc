#include "base/error.hh"
#include "base/sys.hh"
#include "engine/implementation.hh"
#include "engine/log_target.hh"
#include "engine/text.hh"
#include "task/log_reader.hh"

#include <poll.h>
#include <sys/eventfd.h>

#include <iterator>

namespace hull::engine {

namespace {

WaitCondition parse_condition(const std::string& text) {
    if (text.empty() || text == "not-running") return WaitCondition::not_running;
    if (text == "next-exit") return WaitCondition::next_exit;
    if (text == "removed") return WaitCondition::removed;
    throw Error(ErrorKind::invalid_argument, "invalid condition: \"{}\"", text);
}

/// Docker's frame: stream, three zeros, length in network order.
std::string frame(int stream, std::string_view bytes) {
    std::string result(8, '\0');
    result[0] = static_cast<char>(stream);
    for (int i = 0; i < 4; ++i)
        result[static_cast<std::size_t>(4 + i)] =
            static_cast<char>(bytes.size() >> (8 * (3 - i)) & 0xff);
    result += bytes;
    return result;
}

}  // namespace

Waiter::State::State(WaitCondition wanted)
    : condition(wanted), event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!event) throw_errno(errno, "eventfd");
}

void Waiter::State::answer(WaitResult answer) {
    {
        std::lock_guard lock(mutex);
        if (result) return;
        result = std::move(answer);
    }
    ::eventfd_write(event.get(), 1);
}

int Waiter::fd() const { return state_->event.get(); }

std::optional<WaitResult> Waiter::find_result() const {
    std::lock_guard lock(state_->mutex);
    return state_->result;
}

std::optional<WaitResult> Waiter::wait(StopEvent& stop) const {
    for (;;) {
        if (auto result = find_result()) return result;
        if (stop.requested()) return std::nullopt;
        pollfd polled[] = {{fd(), POLLIN, 0}, {stop.fd(), POLLIN, 0}};
        ::poll(polled, std::size(polled), -1);
    }
}

Waiter Engine::Implementation::wait(const std::string& name, const std::string& condition) {
    auto state = std::make_shared<Waiter::State>(parse_condition(condition));
    if (ContainerPointer container = table_.find(name)) {
        std::lock_guard lock(container->mutex);
        const RunState& run = container->record->state;
        const bool ended = !run.is_running() && run.phase != Phase::restarting;
        if (container->removed ||
            (state->condition == WaitCondition::not_running && ended && !container->starting))
            state->answer({run.exit_code, ""});
        else
            container->waiters.push_back(state);
        return Waiter(state);
    }
    std::string_view wanted = name;
    if (wanted.starts_with('/')) wanted.remove_prefix(1);
    auto ended = ended_.lock();
    for (auto entry = ended->rbegin(); entry != ended->rend(); ++entry)
        if (entry->id == wanted || entry->name == wanted ||
            (wanted.size() >= 12 && entry->id.starts_with(wanted))) {
            state->answer(entry->result);
            return Waiter(state);
        }
    throw Error(ErrorKind::not_found, "No such container: {}", name);
}

/// What `attach?logs=1` shows first.
void Engine::Implementation::write_past_logs(const Record& record, const AttachOptions& options,
                                             int socket) {
    task::LogQuery query;
    query.use_stdout = options.use_stdout;
    query.use_stderr = options.use_stderr;
    const bool terminal = record.definition->config.tty || !options.multiplexed;
    StopEvent never;
    task::read_logs(
        readable_driver(record.definition->host.log_config), paths(record.id()).logs, query,
        [&](const task::LogLine& line) {
        sys::write_all(socket, terminal ? std::string(line.bytes) : frame(line.stream, line.bytes));
        return true;
        },
        never);
}

void Engine::Implementation::attach(const std::string& name, const AttachOptions& options,
                                    const Upgrade& upgrade) {
    ContainerPointer container = table_.get(name);
    RecordPointer record = container->snapshot();
    const Phase phase = record->state.phase;
    if (phase == Phase::paused)
        throw Error(ErrorKind::conflict,
                    "container {} is paused, unpause the container before attach", name);
    if (phase == Phase::restarting)
        throw Error(ErrorKind::conflict,
                    "container {} is restarting, wait until the container is running", name);
    const std::string driver = readable_driver(record->definition->host.log_config);
    if (options.logs && driver == "none")
        throw Error(ErrorKind::invalid_argument,
                    "configured logging driver does not support reading");

    task::Attachment attachment;
    attachment.use_stdin = options.use_stdin && record->definition->config.open_stdin;
    attachment.use_stdout = options.use_stdout;
    attachment.use_stderr = options.use_stderr;
    attachment.multiplexed = options.multiplexed && !record->definition->config.tty;
    attachment.detach_keys = parse_detach_keys(options.detach_keys);

    // The answer lets the client start the container: no start may come between it and `pending`,
    // or the first bytes would be lost.
    std::unique_lock operation(container->operation);
    {
        std::lock_guard lock(container->mutex);
        if (container->removed) throw Error(ErrorKind::not_found, "No such container: {}", name);
    }
    attachment.socket = upgrade(record->definition->config.tty);
    if (options.logs) {
        operation.unlock();  // a slow reader must hold up nobody
        write_past_logs(*record, options, attachment.socket.get());
        operation.lock();
    }
    if (!options.stream) return;
    publish(*record, "attach");
    {
        std::lock_guard lock(container->mutex);
        if (container->removed) return;  // closes the socket: there is nothing more to come
        if (!container->record->state.is_running()) {
            container->pending.push_back(std::move(attachment));
            return;
        }
    }
    try {
        tasks_.attach(container->id, std::move(attachment));
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::conflict && error.kind() != ErrorKind::not_found) throw;
    }
}

void Engine::Implementation::on_detach(const std::string& id, const std::string& exec_id) {
    ContainerPointer container = table_.find(id);
    if (!container) return;
    if (exec_id.empty())
        publish(*container->snapshot(), "detach");
    else
        publish(*container->snapshot(), "exec_detach", {{"execID", exec_id}});
}

FollowedLog Engine::Implementation::logs(const std::string& name, const task::LogQuery& query) {
    if (!query.use_stdout && !query.use_stderr)
        throw Error(ErrorKind::invalid_argument,
                    "Bad parameters: you must choose at least one stream");
    const ContainerPointer container = table_.get(name);
    const RecordPointer record = container->snapshot();
    task::LogFollower::Source source;
    source.driver = readable_driver(record->definition->host.log_config);
    if (source.driver == "none")
        throw Error(ErrorKind::unsupported, "configured logging driver does not support reading");
    source.directory = paths(container->id).logs;
    source.bell = log_watch_.bell(source.directory);
    const auto still_running = [container] {
        const RecordPointer now = container->snapshot();
        return now->state.is_running() || now->state.phase == Phase::restarting;
    };
    return {record->definition->config.tty,
            std::make_unique<task::LogFollower>(source, query, still_running)};
}

std::map<std::string, std::string> Engine::Implementation::container_log_attributes(
    const std::string& name) {
    const RecordPointer record = table_.get(name)->snapshot();
    return log_attributes(*record->definition, record->name);
}

void Engine::Implementation::resize(const std::string& name, unsigned short rows,
                                    unsigned short columns) {
    ContainerPointer container = table_.get(name);
    if (!container->snapshot()->state.is_running())
        throw Error(ErrorKind::conflict, "Container {} is not running", container->id);
    tasks_.resize(container->id, "", rows, columns);
}

}  // namespace hull::engine
