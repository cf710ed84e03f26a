#include "registry/worker.hh"

#include "base/error.hh"
#include "base/stop.hh"
#include "base/sys.hh"
#include "http/server.hh"
#include "linux/sandbox.hh"
#include "registry/durable.hh"

#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <thread>

namespace hull::registry {

namespace {

constexpr uid_t default_uid = 64997;
constexpr int first_inherited_fd = 4;

StopEvent* stop_on_signal = nullptr;

void handle_signals(StopEvent& stop) {
    stop_on_signal = &stop;
    struct sigaction action {};
    action.sa_handler = [](int) { stop_on_signal->request(); };
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGTERM, &action, nullptr);
    ::signal(SIGINT, SIG_IGN);  // the terminal's; the supervisor answers it
    ::signal(SIGHUP, SIG_IGN);
    ::signal(SIGPIPE, SIG_IGN);
}

/// Opens the data directory and, as root, finds whose it is or gives a new one away.
Fd open_data(const Options& options, uid_t& uid) {
    sys::mkdir_all(options.data, 0750);
    Fd directory = sys::open(options.data, O_RDONLY | O_DIRECTORY);
    uid = ::geteuid();
    if (uid != 0) return directory;
    const uid_t owner = sys::fstat(directory.get()).st_uid;
    uid = options.user.value_or(owner != 0 ? owner : default_uid);
    if (uid == 0) throw Error(ErrorKind::invalid_argument, "the registry must not run as root");
    if (owner == uid) return directory;
    if (owner != 0 || !sys::list_directory(options.data).empty())
        throw Error(ErrorKind::forbidden,
                    "{} belongs to user {}, the registry runs as {}: chown -R {} {}", options.data,
                    owner, uid, uid, options.data);
    if (::fchown(directory.get(), uid, uid) != 0)
        throw_errno(errno, "giving {} to user {}", options.data, uid);
    return directory;
}

void lock_in(const Options& options) {
    uid_t uid = 0;
    const Fd directory = open_data(options, uid);
    linux_::SandboxOptions sandbox;
    sandbox.uid = uid;
    sandbox.directory = directory.get();
    sandbox.network = true;
    sandbox.server = true;
    sandbox.first_kept_fd = first_inherited_fd;
    const linux_::SandboxReport report = linux_::enter_sandbox(sandbox);
    if (report.landlock_abi == 0)
        log::warning("this kernel has no Landlock: only the user {} keeps the registry from files",
                     uid);
}

void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// The supervisor's end of the socket is closed when it has died: nothing we do is lost by ending
/// at once, and whoever is started next waits for our lock.
void watch_supervisor(int control) {
    std::thread([control] {
        char byte;
        while (::recv(control, &byte, 1, 0) < 0 && errno == EINTR) continue;
        ::_exit(1);
    }).detach();
}

/// Removes what clients have given up, now and then.
class Housekeeping {
public:
    Housekeeping(Uploads& uploads, const Options& options)
        : uploads_(uploads), options_(options), thread_([this] { run(); }) {}
    ~Housekeeping() {
        stop_.request();
        thread_.join();
    }

private:
    void run() {
        const std::int64_t age_ns = options_.upload_age_s * 1'000'000'000;
        const int pause_ms =
            static_cast<int>(std::clamp<std::int64_t>(options_.upload_age_s * 250, 1000, 600'000));
        do {
            try {
                const std::size_t removed = uploads_.expire(age_ns);
                if (removed > 0) log::info("removed {} uploads that nobody ended", removed);
            } catch (const std::exception& error) {
                log::error("removing old uploads: {}", error.what());
            }
        } while (!sys::poll_one(stop_.fd(), POLLIN, pause_ms));
    }

    Uploads& uploads_;
    const Options& options_;
    StopEvent stop_;
    std::thread thread_;
};

}  // namespace

void run_worker(const Options& options, WorkerInput input) {
    StopEvent stop;
    handle_signals(stop);
    raise_descriptor_limit();
    ::umask(027);
    ::mallopt(M_ARENA_MAX, 2);  // a thread per connection must not mean an arena each
    ::mallopt(M_TRIM_THRESHOLD, 256 << 10);
    lock_in(options);
    // From here on bytes of strangers may be read.

    Storage storage(".");
    Uploads uploads(storage);
    Api api(storage, uploads, options.api);
    http::Limits limits;
    limits.header_bytes = 64 << 10;
    limits.silence_ms = 30'000;
    limits.idle_ms = 120'000;
    limits.bulk_silence_ms = 60'000;
    limits.send_ms = 60'000;
    limits.connections = options.connections;
    http::Server server([&](http::Exchange& exchange) { api.handle(exchange); }, limits);
    for (Fd& socket : input.sockets) server.listen(std::move(socket));
    watch_supervisor(input.control.get());
    const Housekeeping housekeeping(uploads, options);
    sys::send_with_fds(input.control.get(), "ready", {});
    server.run(stop, 10'000);
}

}  // namespace hull::registry
