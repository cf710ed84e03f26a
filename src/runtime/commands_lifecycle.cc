#include "base/log.hh"
#include "base/process.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "linux/cgroup.hh"
#include "linux/systemd.hh"
#include "runtime/commands.hh"
#include "runtime/container.hh"
#include "runtime/foreground.hh"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>

namespace hull::runtime {
namespace {

constexpr int kill_deadline_ms = 10000;

Path absolute(const Path& path) {
    std::array<char, PATH_MAX> buffer;
    if (!::realpath(path.c_str(), buffer.data())) throw_errno(errno, "{}", path);
    return buffer.data();
}

/// All of the container: without a cgroup of its own init, whose end is the end of all in its pid
/// namespace.
void kill_all(const ContainerRecord& record) {
    if (auto cgroup = find_cgroup(record)) cgroup->signal_all(SIGKILL);
}

int parse_count(const std::string& text) {
    int value = 0;
    auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if (result.ec != std::errc() || result.ptr != text.data() + text.size() || value < 0)
        throw Error(ErrorKind::invalid_argument, "bad number {}", text);
    return value;
}

/// Descriptors a socket-activated caller means for the container (sd_listen_fds(3)).
int count_listen_fds() {
    const char* value = ::getenv("LISTEN_FDS");
    return value ? parse_count(value) : 0;
}

void signal_process(const ContainerRecord& record, int signal_number) {
    Fd pidfd = find_pidfd(record.pid);
    if (!pidfd || !is_alive(record)) throw Error(ErrorKind::not_found, "container not running");
    if (::syscall(SYS_pidfd_send_signal, pidfd.get(), signal_number, nullptr, 0) != 0) {
        if (errno == ESRCH) throw Error(ErrorKind::not_found, "container not running");
        throw_errno(errno, "signalling process {}", record.pid);
    }
}

/// A claimed id whose directory goes unless the container came to be.
class Reservation {
public:
    Reservation(StateDirectory& states, std::string id) : states_(states), id_(std::move(id)) {
        states_.reserve(id_);
    }
    ~Reservation() {
        try {
            if (!id_.empty()) states_.remove(id_);
        } catch (const Error& error) {
            log::warning("{}", error.message());
        }
    }
    Reservation(const Reservation&) = delete;
    Reservation& operator=(const Reservation&) = delete;
    void keep() { id_.clear(); }

private:
    StateDirectory& states_;
    std::string id_;
};

struct Created {
    Container container;
    ContainerRecord record;
    oci::Spec spec;
};

Created make_container(GlobalOptions& global, const Options& options, const std::string& id,
                       bool waits_on_socket) {
    Path bundle = absolute(options.get("bundle", "."));
    CreateOptions create_options;
    create_options.spec = oci::parse_spec(std::string_view(read_file(join(bundle, "config.json"))));
    oci::Spec spec = create_options.spec;
    if (!spec.process) throw Error(ErrorKind::invalid_argument, "config.json has no process");
    bool is_detached = waits_on_socket || options.has("detach");
    if (spec.process->terminal && is_detached && !options.find("console-socket"))
        throw Error(ErrorKind::invalid_argument,
                    "cannot allocate tty if runc will detach without setting console socket");
    if (!spec.process->terminal && options.find("console-socket"))
        throw Error(ErrorKind::invalid_argument,
                    "cannot use console socket if runc will not detach or allocate tty");
    create_options.id = id;
    create_options.bundle = bundle;
    create_options.no_pivot = options.has("no-pivot");
    create_options.no_new_keyring = options.has("no-new-keyring");
    create_options.systemd_cgroup = global.systemd_cgroup;
    create_options.rootless = global.rootless;
    create_options.preserve_descriptors = parse_count(options.get("preserve-fds", "0"));
    if (int listening = count_listen_fds(); listening > 0) {
        create_options.preserve_descriptors += listening;
        create_options.spec.process->env.push_back("LISTEN_FDS=" + std::to_string(listening));
        create_options.spec.process->env.push_back("LISTEN_PID=1");
    }
    if (waits_on_socket)
        create_options.start_socket =
            sys::listen_unix(global.states.start_socket(id), SOCK_SEQPACKET, 0600);

    Container container = create(std::move(create_options));
    if (Fd terminal = container.take_terminal(); terminal) {
        if (auto socket = options.find("console-socket"))
            send_terminal(*socket, terminal.get());
        else
            container.give_terminal(std::move(terminal));
    }
    ContainerRecord record{
        .id = id,
        .bundle = bundle,
        .pid = container.pid(),
        .start_time = container.start_time(),
        .cgroup_path = container.cgroup_path(),
        .systemd_unit = global.systemd_cgroup
                            ? linux_::parse_systemd_path(spec.linux_.cgroups_path, id).unit
                            : "",
        .created_ns = now_ns(),
        .oci_version = spec.oci_version,
        .annotations = spec.annotations,
        .rootfs = spec.root.path.starts_with('/') ? spec.root.path : join(bundle, spec.root.path),
        .owner = ::getuid() == 0 ? "root" : std::to_string(::getuid())};
    global.states.save_spec(id, spec);
    global.states.save(record);
    if (auto pid_file = options.find("pid-file"))
        write_file_atomic(*pid_file, std::to_string(record.pid));
    return {std::move(container), std::move(record), std::move(spec)};
}

void remove_container(GlobalOptions& global, const ContainerRecord& record) {
    kill_all(record);
    if (auto cgroup = find_cgroup(record)) cgroup->remove();
    if (!record.systemd_unit.empty()) linux_::stop_scope(record.systemd_unit);
    oci::Spec spec = global.states.load_spec(record.id);
    global.states.remove(record.id);
    run_poststop_hooks(spec, record.id, record.bundle);
}

void wait_until_gone(const ContainerRecord& record) {
    Fd pidfd = find_pidfd(record.pid);
    if (pidfd && is_alive(record) && !sys::poll_one(pidfd.get(), POLLIN, kill_deadline_ms))
        throw Error(ErrorKind::unavailable, "process {} does not end", record.pid);
}

struct SignalName {
    std::string_view name;
    int number;
};
constexpr SignalName signal_names[] = {
    {"HUP", SIGHUP},       {"INT", SIGINT},     {"QUIT", SIGQUIT}, {"ILL", SIGILL},
    {"TRAP", SIGTRAP},     {"ABRT", SIGABRT},   {"IOT", SIGABRT},  {"BUS", SIGBUS},
    {"FPE", SIGFPE},       {"KILL", SIGKILL},   {"USR1", SIGUSR1}, {"SEGV", SIGSEGV},
    {"USR2", SIGUSR2},     {"PIPE", SIGPIPE},   {"ALRM", SIGALRM}, {"TERM", SIGTERM},
    {"STKFLT", SIGSTKFLT}, {"CHLD", SIGCHLD},   {"CLD", SIGCHLD},  {"CONT", SIGCONT},
    {"STOP", SIGSTOP},     {"TSTP", SIGTSTP},   {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU},
    {"URG", SIGURG},       {"XCPU", SIGXCPU},   {"XFSZ", SIGXFSZ}, {"VTALRM", SIGVTALRM},
    {"PROF", SIGPROF},     {"WINCH", SIGWINCH}, {"IO", SIGIO},     {"POLL", SIGIO},
    {"PWR", SIGPWR},       {"SYS", SIGSYS},
};

}  // namespace

int parse_signal(std::string_view text) {
    int number = 0;
    auto result = std::from_chars(text.data(), text.data() + text.size(), number);
    if (result.ec == std::errc() && result.ptr == text.data() + text.size() && number >= 0 &&
        number < NSIG)
        return number;
    std::string name(text);
    for (char& c : name) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    if (name.starts_with("SIG")) name.erase(0, 3);
    for (const SignalName& known : signal_names)
        if (known.name == name) return known.number;
    for (auto [prefix, base, sign] :
         {std::tuple{"RTMIN", SIGRTMIN, 1}, std::tuple{"RTMAX", SIGRTMAX, -1}}) {
        if (!name.starts_with(prefix)) continue;
        if (name.size() == 5) return base;
        int offset = parse_count(name.substr(6));
        if (base + sign * offset >= SIGRTMIN && base + sign * offset <= SIGRTMAX)
            return base + sign * offset;
    }
    throw Error(ErrorKind::invalid_argument, "unknown signal {}", text);
}

void send_terminal(const Path& console_socket, int terminal) {
    Fd socket = sys::connect_unix(console_socket, SOCK_STREAM);
    std::array<int, 1> fds{terminal};
    sys::send_with_fds(socket.get(), "/dev/ptmx", fds);
}

int run_create(GlobalOptions& global, const Options& options) {
    const std::string& id = options.positional(0, "the container ID");
    Reservation reservation(global.states, id);
    Created created = make_container(global, options, id, true);
    reservation.keep();
    created.container.detach();
    return 0;
}

int run_start(GlobalOptions& global, const Options& options) {
    const std::string& id = options.positional(0, "the container ID");
    ContainerRecord record = global.states.load(id);
    ContainerState state = global.states.state_of(record);
    if (state == ContainerState::stopped)
        throw Error(ErrorKind::conflict, "cannot start a container that has stopped");
    if (state != ContainerState::created)
        throw Error(ErrorKind::conflict, "cannot start an already running container");
    Path socket = global.states.start_socket(id);
    start_created(socket);
    sys::unlink(socket);
    run_poststart_hooks(global.states.load_spec(id), id, record.bundle, record.pid);
    return 0;
}

int run_run(GlobalOptions& global, const Options& options) {
    const std::string& id = options.positional(0, "the container ID");
    bool is_detached = options.has("detach");
    std::optional<Foreground> foreground;
    if (!is_detached) foreground.emplace();
    Reservation reservation(global.states, id);
    Created created = make_container(global, options, id, false);
    created.container.start();
    if (is_detached) {
        reservation.keep();
        return 0;
    }
    ExitStatus status = foreground->wait(created.record.pid, created.container.take_terminal());
    if (options.has("keep"))
        reservation.keep();
    else
        remove_container(global, created.record);
    return status.docker_code();
}

int run_kill(GlobalOptions& global, const Options& options) {
    ContainerRecord record = global.states.load(options.positional(0, "the container ID"));
    int number = options.positional().size() > 1 ? parse_signal(options.positional()[1]) : SIGTERM;
    if (options.has("all"))
        get_cgroup(record).signal_all(number);
    else
        signal_process(record, number);
    return 0;
}

int run_delete(GlobalOptions& global, const Options& options) {
    const std::string& id = options.positional(0, "the container ID");
    bool is_forced = options.has("force");
    ContainerRecord record;
    try {
        record = global.states.load(id);
    } catch (const Error& error) {
        if (!is_forced || error.kind() != ErrorKind::not_found) throw;
        global.states.remove(id);
        return 0;
    }
    ContainerState state = global.states.state_of(record);
    if (state == ContainerState::created || (is_forced && state != ContainerState::stopped)) {
        kill_all(record);
        try {
            signal_process(record, SIGKILL);  // it may have left its cgroup, or have none
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::not_found) throw;  // gone already
        }
        wait_until_gone(record);
    } else if (state != ContainerState::stopped) {
        throw Error(ErrorKind::conflict, "cannot delete container {} that is not stopped: {}", id,
                    to_string(state));
    }
    remove_container(global, record);
    return 0;
}

int run_pause(GlobalOptions& global, const Options& options) {
    ContainerRecord record = global.states.load(options.positional(0, "the container ID"));
    ContainerState state = global.states.state_of(record);
    if (state != ContainerState::running && state != ContainerState::created)
        throw Error(ErrorKind::conflict, "container not running or created: {}", to_string(state));
    get_cgroup(record).freeze();
    return 0;
}

int run_resume(GlobalOptions& global, const Options& options) {
    ContainerRecord record = global.states.load(options.positional(0, "the container ID"));
    if (global.states.state_of(record) != ContainerState::paused)
        throw Error(ErrorKind::conflict, "container not paused");
    get_cgroup(record).thaw();
    return 0;
}

}  // namespace hull::runtime
