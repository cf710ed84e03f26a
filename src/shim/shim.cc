#include "shim/shim.hh"

#include "base/error.hh"
#include "base/json.hh"
#include "base/log.hh"
#include "base/process.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "linux/systemd.hh"
#include "runtime/container.hh"

#include <fcntl.h>
#include <linux/close_range.h>
#include <malloc.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstring>

// The linker's: between them lies only what is read and executed.
extern "C" const char __executable_start, etext;  // NOLINT

namespace hull::shim {

namespace {

constexpr int daemon_channel = 3;
constexpr int pipe_bytes = 256 << 10;                         // LIMITS.md section 4
constexpr int idle_ms = 200;                                  // then memory is given back
constexpr std::int64_t exec_grace_ns = 100'000'000;           // for children that hold the pipes
constexpr std::int64_t acknowledge_limit_ns = 1'000'000'000;  // a daemon that hangs
constexpr int straggler_limit_ms = 5000;

int docker_code(const siginfo_t& info) {
    return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

sys::Pipe make_output_pipe() {
    sys::Pipe pipe = sys::pipe();
    ::fcntl(pipe.read_end.get(), F_SETPIPE_SZ, pipe_bytes);  // refused beyond a user's limit: fine
    return pipe;
}

/// Both ends of the pipes of one process.
struct Pipes {
    std::optional<sys::Pipe> input;
    sys::Pipe output = make_output_pipe(), error = make_output_pipe();

    explicit Pipes(bool open_stdin) {
        if (open_stdin) input = sys::pipe();
    }
    runtime::StandardStreams streams() const {
        return {.input = input ? input->read_end.get() : -1,
                .output = output.write_end.get(),
                .error = error.write_end.get()};
    }
    void hand_over(Stdio& stdio) && {
        stdio.use_pipes(input ? std::move(input->write_end) : Fd(), std::move(output.read_end),
                        std::move(error.read_end));
    }
};

StartResult failure(const Error& error) {
    const auto* launch_error = dynamic_cast<const runtime::LaunchError*>(&error);
    return {.pid = 0,
            .start_time = 0,
            .error = error.message(),
            .exit_code = launch_error ? launch_error->exit_code : 125};
}

std::optional<oci::ConsoleSize> console_size(unsigned short rows, unsigned short columns) {
    if (rows == 0 && columns == 0) return std::nullopt;
    return oci::ConsoleSize{.height = rows, .width = columns};
}

oci::Spec read_spec(const Path& bundle) {
    const std::string text = read_file(join(bundle, "config.json"));
    return oci::parse_spec(std::string_view(text));
}

}  // namespace

static void advise_code(int advice) {
    constexpr std::uintptr_t page = 4096;
    const auto begin =
        (reinterpret_cast<std::uintptr_t>(&__executable_start) + page - 1) & ~(page - 1);
    const auto end = reinterpret_cast<std::uintptr_t>(&etext) & ~(page - 1);
    ::madvise(reinterpret_cast<void*>(begin), end - begin, advice);
}

void detach_from_caller() {
    ::setsid();  // EPERM: the daemon spawned us as a session leader
    if (::chdir("/") != 0) throw_errno(errno, "changing to /");
    ::close_range(daemon_channel + 1, ~0U, 0);
    ::fcntl(daemon_channel, F_SETFD, FD_CLOEXEC);
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) throw_errno(errno, "becoming a subreaper");
    ::prctl(PR_SET_NAME, "hull-shim");
    // Blocked, not ignored: an ignored signal would stay ignored in the container.
    sigset_t all;
    sigfillset(&all);
    ::sigprocmask(SIG_BLOCK, &all, nullptr);
}

Shim::Shim(LaunchConfig config)
    : config_(std::move(config)),
      connections_(loop_, *this),
      child_callback_(*this, &Shim::on_child),
      oom_callback_(*this, &Shim::on_oom) {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    signals_ = Fd(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_) throw_errno(errno, "making a signalfd");
    loop_.watch(signals_.get(), EPOLLIN, child_callback_);
}

Shim::~Shim() { remove_state_file(); }

std::optional<Path> wait_for_launch(const Fd& daemon) {
    advise_code(MADV_POPULATE_READ);  // the faults of the launch, while nobody waits
    const Message message = receive_message(daemon.get());
    if (message.text.empty() || message.fds.empty()) return std::nullopt;
    if (::dup3(message.fds.front().get(), STDERR_FILENO, 0) < 0) throw_errno(errno, "dup3");
    return message.text;
}

int run(const Path& launch_file, Fd daemon) {
    const int channel = daemon.get();  // the shim owns it from its start on
    std::optional<Shim> shim;
    try {
        shim.emplace(parse_launch_config(read_file(launch_file)));
        shim->start(daemon);
    } catch (const Error& error) {
        const StartResult result = failure(error);
        shim.reset();
        send_message(channel, dump(event::Started{result}));
        return result.exit_code;
    }
    shim->serve();
    return 0;
}

void Shim::start(Fd& daemon) {
    Beginning beginning = receive_beginning(daemon.get());
    const StartResult result = launch(daemon.get(), std::move(beginning.layers));
    for (auto& [options, socket] : beginning.attachments)
        stdio_->add_client(std::move(socket), std::move(options));
    connections_.add_subscriber(std::move(daemon));
    connections_.publish(event::Started{result});
}

Shim::Beginning Shim::receive_beginning(int daemon) {
    Beginning beginning;
    for (;;) {
        Message message = receive_message(daemon);
        if (message.text.empty()) throw Error(ErrorKind::cancelled, "the daemon went away");
        Request request = parse_request(message.text);
        if (std::holds_alternative<request::Start>(request)) {
            beginning.layers = std::move(message.fds);
            return beginning;
        }
        auto* attach = std::get_if<request::Attach>(&request);
        if (!attach || message.fds.empty())
            throw Error(ErrorKind::invalid_argument, "expected an attachment or start");
        beginning.attachments.emplace_back(std::move(attach->options), std::move(message.fds[0]));
    }
}

/// The next daemon finds what was started by the state file; a start that is not on disk yet when
/// its daemon has died must not happen. From the state file on it is never lost.
static void require_daemon(int channel) {
    pollfd hang_up{channel, 0, 0};
    if (::poll(&hang_up, 1, 0) > 0 && hang_up.revents & (POLLHUP | POLLERR))
        throw Error(ErrorKind::cancelled, "the daemon went away");
}

StartResult Shim::launch(int daemon, std::vector<Fd> layers) {
    oci::Spec spec = read_spec(config_.bundle);
    if (!spec.process) throw Error(ErrorKind::invalid_argument, "config.json has no process");
    cgroup_path_ = spec.linux_.cgroups_path.empty() ? "/" + config_.id : spec.linux_.cgroups_path;
    has_poststop_hooks_ = !spec.hooks.poststop.empty();
    spec.process->terminal = config_.terminal;
    if (const auto size = console_size(config_.rows, config_.columns))
        spec.process->console_size = size;
    log_ = open_log(config_.log, config_.id);
    stdio_ = std::make_unique<Stdio>(
        loop_, buffer_,
        Stdio::Options{.close_stdin_with_client = config_.stdin_once,
                       .log = log_.get(),
                       .on_detach = [this] { connections_.publish(event::Detached{}); }});

    std::optional<Pipes> pipes;
    if (!config_.terminal) pipes.emplace(config_.open_stdin);
    runtime::CreateOptions options;
    options.id = config_.id;
    options.spec = std::move(spec);
    options.bundle = config_.bundle;
    if (!config_.rootfs.lowers.empty()) options.rootfs = config_.rootfs;
    if (layers.size() == config_.rootfs.lowers.size()) options.layers = std::move(layers);
    if (pipes) options.streams = pipes->streams();
    options.seccomp_filter = config_.seccomp_filter;
    options.init_program = config_.init_program;
    options.systemd_cgroup = linux_::find_systemd_path(cgroup_path_).has_value();
    options.rootless = false;  // a container of the daemon has a cgroup or does not start
    runtime::Container container = runtime::create(std::move(options));
    init_ = container.pid();
    init_start_time_ = container.start_time();
    cgroup_ = container.cgroup();
    if (pipes)
        std::move(*pipes).hand_over(*stdio_);
    else
        stdio_->use_terminal(container.take_terminal(), config_.open_stdin);
    pipes.reset();  // init has the other ends: with ours open there would be no end of file
    if (config_.terminal && config_.rows) stdio_->resize(config_.rows, config_.columns);

    namespaces_.push_back(
        Fd(::open(fmt::format("/proc/{}/ns/mnt", init_).c_str(), O_RDONLY | O_CLOEXEC)));
    namespaces_.push_back(
        Fd(::open(fmt::format("/proc/{}/ns/net", init_).c_str(), O_RDONLY | O_CLOEXEC)));
    if (auto event = cgroup_->open_oom_event()) {
        oom_event_ = std::move(*event);
        loop_.watch(oom_event_.get(), EPOLLIN, oom_callback_);
    }
    sys::mkdir_all(config_.runtime_directory, 0700);
    write_state_file();
    connections_.listen(join(config_.runtime_directory, "shim.sock"));
    require_daemon(daemon);
    container.start();
    return {.pid = init_, .start_time = init_start_time_, .error = "", .exit_code = 0};
}

void Shim::write_state_file() const {
    replace_file(join(config_.runtime_directory, "shim.json"),
                 json::dump(json::Object{{"pid", static_cast<std::int64_t>(::getpid())},
                                         {"startTime", find_start_time(::getpid()).value_or(0)},
                                         {"initPid", static_cast<std::int64_t>(init_)},
                                         {"initStartTime", init_start_time_},
                                         {"cgroup", cgroup_path_}}),
                 0600);
}

void Shim::remove_state_file() const {
    if (init_ != 0) ::unlink(join(config_.runtime_directory, "shim.json").c_str());
}

// ---- while it runs

void Shim::serve() {
    bool is_idle = false;
    while (!init_exit_) {
        const int wait = wait_ms();
        if (loop_.serve_one(is_idle ? wait : (wait < 0 ? idle_ms : std::min(wait, idle_ms)))) {
            is_idle = false;
        } else if (!is_idle) {
            is_idle = true;
            release_memory();
        }
        if (oom_checks_left_ > 0) report_oom();
        settle_execs();
    }
    finish();
}

/// Until the next deadline of an exec or of an OOM check, -1 without one.
int Shim::wait_ms() const {
    std::int64_t next = oom_checks_left_ > 0 ? monotonic_ns() + 20'000'000 : 0;
    for (const Exec& exec : execs_) {
        if (!exec.has_ended || exec.clients_ended) continue;
        for (const std::int64_t deadline : {exec.grace_ends_ns, exec.acknowledge_ends_ns})
            if (deadline > monotonic_ns() && (next == 0 || deadline < next)) next = deadline;
    }
    if (next == 0) return -1;
    return static_cast<int>(std::max<std::int64_t>(0, next - monotonic_ns()) / 1'000'000 + 1);
}

/// The stack that a launch or an exec needed and nobody will for a long time: whole pages below
/// this frame, but for the first. The kernel keeps more free than that below every stack.
__attribute__((noinline)) static void release_stack() {
    constexpr std::uintptr_t page = 4096, deepest_use = 1 << 20;
    const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    const std::uintptr_t end = (here & ~(page - 1)) - page;
    ::madvise(reinterpret_cast<void*>(end - deepest_use), deepest_use, MADV_DONTNEED);
}

/// The code of a launch, which nobody here runs again: the pages stay in the page cache, but this
/// process no longer counts for them. What it runs next comes back by itself.
static void release_code() { advise_code(MADV_DONTNEED); }

void Shim::release_memory() {
    buffer_.release_memory();
    ::malloc_trim(0);
    release_stack();
    release_code();
}

Reply Shim::handle(Request request, std::vector<Fd> fds) {
    Reply reply;
    if (auto* attach = std::get_if<request::Attach>(&request)) {
        if (fds.empty()) throw Error(ErrorKind::invalid_argument, "no socket to attach");
        stdio_->add_client(std::move(fds[0]), std::move(attach->options));
    } else if (std::holds_alternative<request::Subscribe>(request)) {
        reply.started.pid = init_;
        reply.started.start_time = init_start_time_;
    } else if (const auto* signal = std::get_if<request::Signal>(&request)) {
        const Exec* exec = signal->exec_id.empty() ? nullptr : find_exec(signal->exec_id);
        if (!signal->exec_id.empty() && (!exec || exec->has_ended))
            throw Error(ErrorKind::conflict, "exec {} is not running", signal->exec_id);
        const pid_t pid = exec ? exec->pid : init_;  // unreaped children: never another process
        if (::kill(pid, signal->number) != 0)
            throw_errno(errno, "sending signal {}", signal->number);
    } else if (const auto* resize = std::get_if<request::Resize>(&request)) {
        stdio_of(resize->exec_id).resize(resize->rows, resize->columns);
    } else if (auto* exec_request = std::get_if<request::Exec>(&request)) {
        std::optional<Fd> client;
        if (!fds.empty()) client = std::move(fds[0]);
        reply.started = exec(std::move(*exec_request), std::move(client));
    } else if (const auto* acknowledge = std::get_if<request::Acknowledge>(&request)) {
        if (Exec* ended = find_exec(acknowledge->exec_id)) ended->is_acknowledged = true;
    }
    return reply;
}

StartResult Shim::exec(request::Exec request, std::optional<Fd> client) {
    ExecRequest& wanted = request.exec;
    if (find_exec(wanted.exec_id))
        throw Error(ErrorKind::conflict, "exec {} runs already", wanted.exec_id);
    try {
        runtime::ExecOptions options;
        options.init = init_;
        options.process = std::move(wanted.process);
        options.process.terminal = wanted.terminal;
        if (const auto size = console_size(wanted.rows, wanted.columns))
            options.process.console_size = size;
        if (!wanted.privileged) {
            options.seccomp_filter = config_.seccomp_filter;
            if (config_.seccomp_filter.empty())
                options.seccomp = read_spec(config_.bundle).linux_.seccomp;
        }
        std::optional<Pipes> pipes;
        if (!wanted.terminal) pipes.emplace(wanted.open_stdin);
        if (pipes) options.streams = pipes->streams();
        runtime::Executed executed = runtime::exec(options);

        Exec& exec = execs_.emplace_back();
        exec.id = wanted.exec_id;
        exec.pid = executed.pid;
        exec.stdio = std::make_unique<Stdio>(
            loop_, buffer_,
            Stdio::Options{
                .close_stdin_with_client = true, .log = nullptr, .on_detach = [this, id = exec.id] {
                    connections_.publish(event::Detached{id});
                }});
        if (pipes)
            std::move(*pipes).hand_over(*exec.stdio);
        else
            exec.stdio->use_terminal(std::move(executed.terminal), wanted.open_stdin);
        if (client && request.client)
            exec.stdio->add_client(std::move(*client), std::move(*request.client));
        return {.pid = executed.pid,
                .start_time = find_start_time(executed.pid).value_or(0),
                .error = "",
                .exit_code = 0};
    } catch (const Error& error) {
        return failure(error);
    }
}

Shim::Exec* Shim::find_exec(const std::string& exec_id) {
    for (Exec& exec : execs_)
        if (exec.id == exec_id) return &exec;
    return nullptr;
}

Stdio& Shim::stdio_of(const std::string& exec_id) {
    if (exec_id.empty()) return *stdio_;
    if (const Exec* exec = find_exec(exec_id)) return *exec->stdio;
    throw Error(ErrorKind::conflict, "exec {} is not running", exec_id);
}

// ---- children

void Shim::on_child() {
    signalfd_siginfo ignored;
    while (::read(signals_.get(), &ignored, sizeof ignored) > 0) {
    }
    reap();
}

void Shim::reap() {
    for (;;) {
        siginfo_t info{};
        if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0) return;
        if (info.si_pid == init_) {
            init_exit_ = info;
            exited_at_ns_ = now_ns();
            continue;
        }
        for (Exec& exec : execs_)
            if (exec.pid == info.si_pid && !exec.has_ended) on_exec_end(exec, docker_code(info));
    }
}

void Shim::on_exec_end(Exec& exec, int code) {
    exec.has_ended = true;
    exec.stdio->drain();
    exec.grace_ends_ns = monotonic_ns() + exec_grace_ns;
    exec.acknowledge_ends_ns = monotonic_ns() + acknowledge_limit_ns;
    connections_.publish(event::ExecExited{exec.id, code});
}

void Shim::settle_execs() {
    const std::int64_t now = execs_.empty() ? 0 : monotonic_ns();
    for (Exec& exec : execs_) {
        if (!exec.has_ended || exec.clients_ended) continue;
        const bool is_known = exec.is_acknowledged || !connections_.has_subscribers() ||
                              now >= exec.acknowledge_ends_ns;
        const bool is_drained = exec.stdio->outputs_ended() || now >= exec.grace_ends_ns;
        if (!is_known || !is_drained) continue;
        exec.stdio->end_clients();
        exec.clients_ended = true;
    }
    // While something it started holds its pipes, they are read: closing them would kill it.
    std::erase_if(execs_, [](const Exec& exec) {
        return exec.clients_ended && exec.stdio->outputs_ended() && !exec.stdio->has_clients();
    });
}

// ---- memory

void Shim::on_oom() {
    char event[4096];
    if (::read(oom_event_.get(), event, sizeof event) <= 0) return;
    // v1 tells before the victim is counted.
    oom_checks_left_ = 25;
}

void Shim::report_oom() {
    --oom_checks_left_;
    const std::uint64_t kills = cgroup_->oom_kills();
    if (kills <= oom_kills_reported_) return;
    oom_kills_reported_ = kills;
    oom_checks_left_ = 0;
    connections_.publish(event::OutOfMemory{});
}

// ---- the end

/// Without a pid namespace of its own a container leaves processes behind, and they hold pipes.
void Shim::end_stragglers() {
    const std::int64_t deadline = monotonic_ns() + straggler_limit_ms * 1'000'000LL;
    const auto all_ended = [&] {
        reap();
        const bool execs_ended = std::all_of(execs_.begin(), execs_.end(),
                                             [](const Exec& exec) { return exec.has_ended; });
        return execs_ended && cgroup_->is_empty();
    };
    if (all_ended()) return;
    while (monotonic_ns() < deadline) {
        cgroup_->signal_all(SIGKILL);
        if (all_ended()) return;
        pollfd child{signals_.get(), POLLIN, 0};
        ::poll(&child, 1, 5);
        signalfd_siginfo ignored;
        while (::read(signals_.get(), &ignored, sizeof ignored) > 0) {
        }
    }
}

ExitRecord Shim::make_exit_record() const {
    ExitRecord record;
    record.code = docker_code(*init_exit_);
    record.exited_at_ns = exited_at_ns_;
    record.oom_killed = cgroup_->oom_kills() > 0;
    if (init_exit_->si_code != CLD_EXITED)
        record.reason = fmt::format("signal {}", init_exit_->si_status);
    return record;
}

template <typename Body>
static void attempt(std::string_view what, Body body) {
    try {
        body();
    } catch (const Error& error) {
        log::warning("{}: {}", what, error.message());
    }
}

/// A full disk must not lose an exit code: the runtime directory is on another one, usually in
/// memory, and is looked into as well.
static void record_exit(const LaunchConfig& config, const ExitRecord& record) {
    try {
        // Without a sync: only a power loss could undo it, and then the container is gone as well.
        replace_file(config.exit_file, dump(record), 0600);
    } catch (const Error& error) {
        log::warning("recording an exit: {}", error.message());
        attempt("recording an exit elsewhere",
                [&] { replace_file(second_exit_file(config), dump(record), 0600); });
    }
}

void Shim::finish() {
    loop_.unwatch(signals_.get());
    if (oom_event_) loop_.unwatch(oom_event_.get());
    ExitRecord record;
    attempt("ending a container", [&] {
        record = make_exit_record();
        end_stragglers();
        record.oom_killed = record.oom_killed || cgroup_->oom_kills() > 0;
        if (!record.oom_killed) return;
        if (const auto memory = cgroup_->stats().memory) {
            record.memory_limit = memory->limit;
            record.memory_peak = memory->peak;
        }
    });
    stdio_->drain();
    for (Exec& exec : execs_) exec.stdio->drain();
    log_->finish();
    if (has_poststop_hooks_)
        attempt("poststop hooks", [&] {
            runtime::run_poststop_hooks(read_spec(config_.bundle), config_.id, config_.bundle);
        });
    const auto remove_cgroup = [&] { attempt("removing a cgroup", [&] { cgroup_->remove(); }); };
    // One that may be started again must not meet its old cgroup; the others need not wait for it.
    if (!config_.rootfs.is_volatile) remove_cgroup();
    record_exit(config_, record);
    connections_.stop_listening();
    remove_state_file();
    if (record.oom_killed && oom_kills_reported_ == 0) connections_.publish(event::OutOfMemory{});
    connections_.publish(event::Exited{record});
    stdio_->end_clients();
    for (Exec& exec : execs_) exec.stdio->end_clients();
    // Everybody has been told: now the slow part, unmounting and removing the cgroup.
    namespaces_.clear();
    if (config_.rootfs.is_volatile) remove_cgroup();
    connections_.close();
    release_memory();
    const auto has_clients = [&] {
        return stdio_->has_clients() ||
               std::any_of(execs_.begin(), execs_.end(),
                           [](const Exec& exec) { return exec.stdio->has_clients(); });
    };
    while (has_clients()) loop_.serve_one(-1);
}

}  // namespace hull::shim
