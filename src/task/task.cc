#include "task/task.hh"

#include "base/error.hh"
#include "base/locked.hh"
#include "base/log.hh"
#include "base/process.hh"
#include "base/stop.hh"
#include "base/sys.hh"
#include "linux/cgroup.hh"
#include "runtime/container.hh"
#include "shim/launch_config.hh"
#include "task/orphan.hh"
#include "task/shim_call.hh"
#include "task/shim_starter.hh"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <thread>

namespace hull::task {

namespace {

constexpr int call_timeout_ms = 2000;
constexpr int exec_timeout_ms = 10000;  // it mounts and clones: not a question but work
constexpr int start_timeout_ms = 30000;
/// The next shim is made ready when no container has had an event for so long.
constexpr int quiet_ms = 1;
constexpr auto teardown_timeout = std::chrono::seconds(2);

shim::AttachOptions options_of(const Attachment& attachment) {
    return {.use_stdin = attachment.use_stdin,
            .use_stdout = attachment.use_stdout,
            .use_stderr = attachment.use_stderr,
            .multiplexed = attachment.multiplexed,
            .detach_keys = attachment.detach_keys};
}

void send_pidfd_signal(const Fd& pidfd, int number) {
    if (::syscall(SYS_pidfd_send_signal, pidfd.get(), number, nullptr, 0) != 0)
        throw_errno(errno, "sending signal {}", number);
}

}  // namespace

/// The thread that hears from all shims, and the table of running tasks.
class Tasks::Monitor {
public:
    Monitor(Path shim_program, Path exec_root, Listener& listener)
        : exec_root_(std::move(exec_root)),
          listener_(listener),
          starter_(shim_program),
          epoll_(::epoll_create1(EPOLL_CLOEXEC)),
          started_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        if (!epoll_ || !started_) throw_errno(errno, "making an epoll descriptor");
        watch(stop_.fd(), stop_token);
        watch(started_.get(), started_token);
        thread_ = std::thread([this] { run(); });
    }

    ~Monitor() {
        stop_.request();
        thread_.join();
    }

    StartResult start(const std::string& id, const Path& launch_file,
                      std::vector<Attachment> attachments, const std::vector<int>& layers);
    std::optional<ExitRecord> adopt(const std::string& id, const Path& launch_file, pid_t pid,
                                    unsigned long long start_time);
    void signal(const std::string& id, int number);
    void kill_all(const std::string& id);
    shim::Reply call(const std::string& id, const shim::Request& request,
                     const std::vector<int>& fds, int timeout_ms);

private:
    using Token = std::uint64_t;
    static constexpr Token stop_token = 0, started_token = 1;

    struct Task {
        shim::LaunchConfig config;
        pid_t init = 0;
        unsigned long long start_time = 0;
        Fd events;      ///< from the shim
        Fd init_pidfd;  ///< watched when there is no shim
        Token events_token = 0, init_token = 0;
        bool has_exited = false;  ///< and that was reported; only the teardown is outstanding
    };
    struct State {
        std::map<std::string, Task> tasks;
        std::map<Token, std::string> owners;
        std::map<Token, Fd> shims;  ///< children of ours, to be reaped
        Token next_token = 2;
    };
    /// What to tell the listener, once the lock is released.
    using Notices = std::vector<std::function<void()>>;

    void run() noexcept;
    void serve(Token token);
    void serve_events(State& state, const std::string& id, Notices& notices);
    void handle(Task& task, const std::string& id, const shim::Event& event, Notices& notices);
    void lose_shim(State& state, const std::string& id, Notices& notices);
    void forget(State& state, const std::string& id);
    void watch(int fd, Token token);
    void unwatch(int fd) { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }
    void watch_events(State& state, const std::string& id, Task& task);
    void watch_init(State& state, const std::string& id, Task& task);
    void watch_shim(State& state, pid_t pid);
    void wait_for_teardown(const std::string& id);
    shim::LaunchConfig config_of(const std::string& id);

    Path exec_root_;
    Listener& listener_;
    ShimStarter starter_;
    Fd epoll_;
    Fd started_;  ///< readable after a start
    StopEvent stop_;
    Locked<State> state_;
    std::condition_variable forgotten_;
    std::thread thread_;
};

// ---- starting and adopting

StartResult Tasks::Monitor::start(const std::string& id, const Path& launch_file,
                                  std::vector<Attachment> attachments,
                                  const std::vector<int>& layers) {
    shim::LaunchConfig config = shim::parse_launch_config(read_file(launch_file));
    wait_for_teardown(id);
    sys::mkdir_all(config.runtime_directory, 0700);
    sys::unlink(config.exit_file);
    sys::unlink(shim::second_exit_file(config));

    const Fd diary = sys::open(join(config.runtime_directory, "shim.log"),
                               O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    auto [shim, channel] = starter_.start(launch_file, diary);
    StartResult result;
    try {
        for (const Attachment& attachment : attachments)
            shim::send_message(channel.get(),
                               shim::dump(shim::request::Attach{options_of(attachment)}),
                               {attachment.socket.get()});
        shim::send_message(channel.get(), shim::dump(shim::request::Start{}), layers);
        attachments.clear();
        if (!sys::poll_one(channel.get(), POLLIN, start_timeout_ms))
            throw Error(ErrorKind::unavailable, "the shim did not start the container within {} s",
                        start_timeout_ms / 1000);
        const shim::Message message = shim::receive_message(channel.get());
        if (message.text.empty()) throw_errno(ECONNRESET, "waiting for a shim");
        result = std::get<shim::event::Started>(shim::parse_event(message.text)).result;
    } catch (const Error& error) {
        shim.signal(SIGKILL);
        shim.wait();
        bury(config, {}, "its shim was killed");
        if (error.kind() == ErrorKind::unavailable) throw;
        const std::string said = find_file(join(config.runtime_directory, "shim.log")).value_or("");
        throw Error(ErrorKind::internal, "the shim ended before the container ran: {}",
                    said.empty() ? error.message() : said.substr(0, said.find('\n')));
    }
    if (!result.error.empty()) {
        shim.wait_for(call_timeout_ms);
        return result;
    }

    auto state = state_.lock();
    Task& task = state->tasks[id];
    task.config = std::move(config);
    task.init = result.pid;
    task.start_time = result.start_time;
    task.events = std::move(channel);
    watch_shim(*state, shim.release());
    watch_events(*state, id, task);
    ::eventfd_write(started_.get(), 1);
    return result;
}

/// A container that is started again must not meet the mounts and the cgroup of its last run.
void Tasks::Monitor::wait_for_teardown(const std::string& id) {
    auto state = state_.lock();
    const auto is_gone = [&] {
        const auto found = state->tasks.find(id);
        if (found == state->tasks.end()) return true;
        if (!found->second.has_exited)
            throw Error(ErrorKind::conflict, "container {} is running already", id);
        return false;
    };
    forgotten_.wait_for(state.mutex(), teardown_timeout, is_gone);
    if (!is_gone()) forget(*state, id);
}

std::optional<ExitRecord> Tasks::Monitor::adopt(const std::string& id, const Path& launch_file,
                                                pid_t pid, unsigned long long start_time) {
    shim::LaunchConfig config = shim::parse_launch_config(read_file(launch_file));
    Subscription subscription;
    try {
        subscription = subscribe(join(config.runtime_directory, "shim.sock"), call_timeout_ms);
    } catch (const Error& error) {
        log::warning("container {}: {}; watching its process instead", id, error.message());
    }
    Task task;
    task.init = pid;
    task.start_time = start_time;
    if (subscription.events) {
        task.init = subscription.started.pid;
        task.start_time = subscription.started.start_time;
        task.events = std::move(subscription.events);
    } else {
        if (auto record = find_exit_record(config)) return record;
        task.init_pidfd = open_process(pid, start_time);
        if (!task.init_pidfd) {
            if (auto record = find_exit_record(config)) return record;
            const bool same_boot =
                sys::find_stat(join(config.runtime_directory, "shim.json")).has_value();
            return bury(config, {}, same_boot ? "its shim was killed" : "host crashed");
        }
    }
    task.config = std::move(config);
    auto state = state_.lock();
    Task& placed = state->tasks[id] = std::move(task);
    if (placed.events)
        watch_events(*state, id, placed);
    else
        watch_init(*state, id, placed);
    return std::nullopt;
}

// ---- requests

shim::LaunchConfig Tasks::Monitor::config_of(const std::string& id) {
    auto state = state_.lock();
    const auto found = state->tasks.find(id);
    if (found == state->tasks.end() || found->second.has_exited)
        throw Error(ErrorKind::conflict, "container {} is not running", id);
    return found->second.config;
}

shim::Reply Tasks::Monitor::call(const std::string& id, const shim::Request& request,
                                 const std::vector<int>& fds, int timeout_ms) {
    const Path socket = join(config_of(id).runtime_directory, "shim.sock");
    return with_context([&] { return call_shim(socket, request, fds, timeout_ms); }, "container {}",
                        id);
}

void Tasks::Monitor::signal(const std::string& id, int number) {
    pid_t init = 0;
    unsigned long long start_time = 0;
    {
        auto state = state_.lock();
        const auto found = state->tasks.find(id);
        if (found == state->tasks.end() || found->second.has_exited)
            throw Error(ErrorKind::conflict, "container {} is not running", id);
        init = found->second.init;
        start_time = found->second.start_time;
    }
    const Fd pidfd = open_process(init, start_time);
    if (!pidfd) throw Error(ErrorKind::conflict, "container {} is not running", id);
    send_pidfd_signal(pidfd, number);
}

void Tasks::Monitor::kill_all(const std::string& id) {
    linux_::Cgroup::open(linux_::detect_cgroups(), cgroup_of(config_of(id))).signal_all(SIGKILL);
}

// ---- the monitor thread

void Tasks::Monitor::watch(int fd, Token token) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = token;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
        throw_errno(errno, "watching descriptor {}", fd);
}

void Tasks::Monitor::watch_events(State& state, const std::string& id, Task& task) {
    ::fcntl(task.events.get(), F_SETFL, O_NONBLOCK);
    task.events_token = state.next_token++;
    state.owners[task.events_token] = id;
    watch(task.events.get(), task.events_token);
}

void Tasks::Monitor::watch_init(State& state, const std::string& id, Task& task) {
    task.init_token = state.next_token++;
    state.owners[task.init_token] = id;
    watch(task.init_pidfd.get(), task.init_token);
}

void Tasks::Monitor::watch_shim(State& state, pid_t pid) {
    Fd pidfd = find_pidfd(pid);  // cannot be recycled: it is our unreaped child
    if (!pidfd) return;
    const Token token = state.next_token++;
    watch(pidfd.get(), token);
    state.shims[token] = std::move(pidfd);
}

void Tasks::Monitor::run() noexcept {
    for (;;) {
        epoll_event event;
        const int count =
            ::epoll_wait(epoll_.get(), &event, 1, starter_.wants_refill() ? quiet_ms : -1);
        if (count == 0) starter_.refill();
        if (count <= 0) continue;
        if (event.data.u64 == stop_token) return;
        if (event.data.u64 == started_token) {
            eventfd_t starts;
            ::eventfd_read(started_.get(), &starts);
            continue;
        }
        try {
            serve(event.data.u64);
        } catch (const std::exception& error) {
            log::error("watching containers: {}", error.what());
        }
    }
}

void Tasks::Monitor::serve(Token token) {
    Notices notices;
    {
        auto state = state_.lock();
        if (const auto shim = state->shims.find(token); shim != state->shims.end()) {
            siginfo_t info;
            unwatch(shim->second.get());
            ::waitid(P_PIDFD, static_cast<id_t>(shim->second.get()), &info, WEXITED | WNOHANG);
            state->shims.erase(shim);
        } else if (const auto owner = state->owners.find(token); owner != state->owners.end()) {
            const std::string id = owner->second;
            Task& task = state->tasks.at(id);
            if (token == task.events_token) {
                serve_events(*state, id, notices);
            } else {
                unwatch(task.init_pidfd.get());
                task.has_exited = true;
                notices.push_back([this, id, config = task.config,
                                   pidfd = std::make_shared<Fd>(std::move(task.init_pidfd))] {
                    // Shared only because std::function must be copyable.
                    listener_.on_exit(id, bury(config, *pidfd, "its shim was killed"));
                    auto locked = state_.lock();
                    forget(*locked, id);
                });
            }
        }
    }
    for (const auto& notice : notices) notice();
}

void Tasks::Monitor::serve_events(State& state, const std::string& id, Notices& notices) {
    Task& task = state.tasks.at(id);
    shim::Message message;
    try {
        message = shim::receive_message(task.events.get());
    } catch (const Error& error) {
        if (error.error_number() == EAGAIN) return;
    }
    if (!message.text.empty()) {
        handle(task, id, shim::parse_event(message.text), notices);
    } else if (task.has_exited) {
        forget(state, id);
    } else {
        lose_shim(state, id, notices);
    }
}

void Tasks::Monitor::handle(Task& task, const std::string& id, const shim::Event& event,
                            Notices& notices) {
    if (const auto* exited = std::get_if<shim::event::Exited>(&event)) {
        task.has_exited = true;
        notices.push_back([this, id, record = exited->record] { listener_.on_exit(id, record); });
    } else if (const auto* exec = std::get_if<shim::event::ExecExited>(&event)) {
        // Only this thread closes the channel, so it is still open when the notice runs.
        notices.push_back(
            [this, id, exec_id = exec->exec_id, code = exec->code, channel = task.events.get()] {
            listener_.on_exec_exit(id, exec_id, code);
            shim::send_message(channel, shim::dump(shim::request::Acknowledge{exec_id}));
        });
    } else if (std::holds_alternative<shim::event::OutOfMemory>(event)) {
        notices.push_back([this, id] { listener_.on_oom(id); });
    } else if (const auto* detached = std::get_if<shim::event::Detached>(&event)) {
        notices.push_back(
            [this, id, exec_id = detached->exec_id] { listener_.on_detach(id, exec_id); });
    }
}

/// The container goes on without its shim (R38): its end is seen by pidfd.
void Tasks::Monitor::lose_shim(State& state, const std::string& id, Notices& notices) {
    Task& task = state.tasks.at(id);
    unwatch(task.events.get());
    state.owners.erase(task.events_token);
    task.events_token = 0;
    task.events.reset();
    if (const auto record = find_exit_record(task.config)) {
        notices.push_back([this, id, exit = *record] { listener_.on_exit(id, exit); });
        forget(state, id);
        return;
    }
    log::warning("the shim of container {} was killed; watching its process instead", id);
    // A zombie counts: its status can still be asked for.
    task.init_pidfd = find_pidfd(task.init);
    if (task.init_pidfd && find_start_time(task.init) == task.start_time)
        return watch_init(state, id, task);
    notices.push_back([this, id, config = task.config] {
        listener_.on_exit(id, bury(config, {}, "its shim was killed"));
    });
    forget(state, id);
}

void Tasks::Monitor::forget(State& state, const std::string& id) {
    const auto found = state.tasks.find(id);
    if (found == state.tasks.end()) return;
    Task& task = found->second;
    if (task.events) unwatch(task.events.get());
    if (task.init_pidfd) unwatch(task.init_pidfd.get());
    state.owners.erase(task.events_token);
    state.owners.erase(task.init_token);
    state.tasks.erase(found);
    forgotten_.notify_all();
}

// ---- Tasks

Tasks::Tasks(Path shim_program, Path exec_root, Listener& listener)
    : monitor_(std::make_unique<Monitor>(std::move(shim_program), std::move(exec_root), listener)) {
}
Tasks::~Tasks() = default;

StartResult Tasks::start(const std::string& id, const Path& launch_file,
                         std::vector<Attachment> attachments, const std::vector<int>& layers) {
    return monitor_->start(id, launch_file, std::move(attachments), layers);
}

std::optional<ExitRecord> Tasks::adopt(const std::string& id, const Path& launch_file, pid_t pid,
                                       unsigned long long start_time) {
    return monitor_->adopt(id, launch_file, pid, start_time);
}

void Tasks::signal(const std::string& id, int signal_number) {
    monitor_->signal(id, signal_number);
}

void Tasks::kill_all(const std::string& id) { monitor_->kill_all(id); }

void Tasks::attach(const std::string& id, Attachment attachment) {
    monitor_->call(id, shim::request::Attach{options_of(attachment)}, {attachment.socket.get()},
                   call_timeout_ms);
}

void Tasks::resize(const std::string& id, const std::string& exec_id, unsigned short rows,
                   unsigned short columns) {
    monitor_->call(id, shim::request::Resize{exec_id, rows, columns}, {}, call_timeout_ms);
}

StartResult Tasks::exec(const std::string& id, const ExecRequest& request,
                        std::optional<Attachment> attachment) {
    shim::request::Exec exec{request, std::nullopt};
    std::vector<int> fds;
    if (attachment) {
        exec.client = options_of(*attachment);
        fds.push_back(attachment->socket.get());
    }
    return monitor_->call(id, exec, fds, exec_timeout_ms).started;
}

void Tasks::signal_exec(const std::string& id, const std::string& exec_id, int signal_number) {
    monitor_->call(id, shim::request::Signal{exec_id, signal_number}, {}, call_timeout_ms);
}

}  // namespace hull::task
