#include "registry/program.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/process.hh"
#include "base/stop.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "registry/engine_contents.hh"
#include "registry/listen.hh"
#include "registry/messages.hh"
#include "registry/options.hh"
#include "registry/worker.hh"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace hull::registry {

namespace {

constexpr int control_fd = 3, first_socket_fd = 4;
constexpr std::string_view worker_flag = "--worker=";  ///< first argument, with the sockets' number
constexpr int first_pause_ms = 100, longest_pause_ms = 5000;
constexpr std::int64_t steady_ns = 60'000'000'000;  ///< a worker that lived so long was well

StopEvent* stop_on_signal = nullptr;

enum class Order { none, reload, collect };
std::atomic<Order> order_from_signal = Order::none;
int wake_fd = -1;  ///< an eventfd: a signal may come right before poll(2)

void wake() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_fd, &one, sizeof one);
}

void handle_signals(StopEvent& stop) {
    stop_on_signal = &stop;
    struct sigaction action {};
    action.sa_handler = [](int) { stop_on_signal->request(); };
    ::sigaction(SIGTERM, &action, nullptr);
    ::sigaction(SIGINT, &action, nullptr);
    action.sa_handler = [](int) { order_from_signal = Order::reload, wake(); };
    ::sigaction(SIGHUP, &action, nullptr);
    action.sa_handler = [](int) { order_from_signal = Order::collect, wake(); };
    ::sigaction(SIGUSR1, &action, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
}

/// Answers one worker's questions about the engine's store, on a thread of its own.
class StoreService {
public:
    explicit StoreService(const Path& data_root)
        : store_(data_root), pair_(sys::socketpair(SOCK_SEQPACKET)) {}
    /// The worker is dead by now, which ends the thread.
    ~StoreService() {
        if (thread_.joinable()) thread_.join();
    }
    int theirs() const { return pair_.second.get(); }
    void begin() {
        pair_.second.reset();
        thread_ = std::thread([this] {
            try {
                store_.serve(pair_.first.get());
            } catch (const std::exception& error) {
                log::debug("answering the worker: {}", error.what());
            }
        });
    }

private:
    EngineStore store_;
    sys::SocketPair pair_;
    std::thread thread_;
};

/// The privileged half.
class Supervisor {
public:
    Supervisor(Options options, std::vector<std::string> arguments)
        : options_(std::move(options)), arguments_(std::move(arguments)) {}

    int run() {
        wake_fd = wake_.get();
        handle_signals(stop_);
        if (!options_.store.empty()) EngineStore(options_.store).check();
        files_ = read_privileged_files(options_);
        for (const std::string& address : options_.listen) sockets_.push_back(listen_tcp(address));
        int pause_ms = first_pause_ms;
        for (;;) {
            const std::int64_t begin = monotonic_ns();
            const ExitStatus status = serve_once();
            if (stop_.requested()) return status.docker_code();
            if (!was_ready_) return 1;  // it has said why
            log::error("the worker ended with {} {}: starting another",
                       status.signal ? "signal" : "status",
                       status.signal ? status.signal : status.code);
            if (monotonic_ns() - begin > steady_ns) pause_ms = first_pause_ms;
            if (sys::poll_one(stop_.fd(), POLLIN, pause_ms)) return 0;
            pause_ms = std::min(pause_ms * 2, longest_pause_ms);
        }
    }

private:
    Process spawn(int control, int store) {
        Command command;
        command.program = "/proc/self/exe";
        command.arguments = {"hull-registry",
                             std::string(worker_flag) + std::to_string(sockets_.size())};
        command.arguments.insert(command.arguments.end(), arguments_.begin(), arguments_.end());
        command.descriptors.push_back({control, control_fd});
        int next = first_socket_fd;
        for (const Fd& socket : sockets_) command.descriptors.push_back({socket.get(), next++});
        if (store >= 0) command.descriptors.push_back({store, next++});
        return Process::spawn(command);
    }

    /// One worker from its start to its end.
    ExitStatus serve_once() {
        sys::SocketPair pair = sys::socketpair(SOCK_SEQPACKET);
        std::optional<StoreService> service;
        if (!options_.store.empty()) service.emplace(options_.store);
        Process worker = spawn(pair.second.get(), service ? service->theirs() : -1);
        if (service) service->begin();
        pair.second.reset();
        send_privileged_files(pair.first.get(), files_);
        bool is_open = true;
        for (;;) {
            pollfd fds[] = {{is_open ? pair.first.get() : -1, POLLIN, 0},
                            {stop_.fd(), POLLIN, 0},
                            {worker.pidfd(), POLLIN, 0},
                            {wake_.get(), POLLIN, 0}};
            if (::poll(fds, 4, -1) < 0) {
                if (errno == EINTR) continue;
                throw_errno(errno, "waiting for the worker");
            }
            if (fds[0].revents) {
                const sys::Received message = sys::receive_with_fds(pair.first.get(), 64);
                if (message.bytes == "ready") report_ready();
                is_open = !message.bytes.empty();
            }
            if (fds[1].revents) {
                worker.signal(SIGTERM);
                return worker.wait();
            }
            if (fds[2].revents) return worker.wait();
            if (fds[3].revents) pass_on_order(pair.first.get());
        }
    }

    void pass_on_order(int control) {
        std::uint64_t count = 0;
        [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &count, sizeof count);
        const Order order = order_from_signal.exchange(Order::none);
        try {
            if (order == Order::collect) send_order(control, "collect");
            if (order != Order::reload) return;
            files_ = read_privileged_files(options_);
            send_privileged_files(control, files_);
        } catch (const Error& error) {
            log::error("{}: what was loaded before stays", error.message());
        }
    }

    void report_ready() {
        for (const Fd& socket : sockets_)
            if (!was_ready_) log::info("registry listens on {}", local_address(socket.get()));
        was_ready_ = true;
    }

    const Options options_;
    const std::vector<std::string> arguments_;
    std::vector<Fd> sockets_;
    PrivilegedFiles files_;  ///< a worker that is started again gets what the last one had
    StopEvent stop_;
    const Fd wake_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    bool was_ready_ = false;
};

int run(std::vector<std::string> arguments) {
    int socket_count = -1;
    if (!arguments.empty() && arguments.front().starts_with(worker_flag)) {
        socket_count = std::atoi(arguments.front().c_str() + worker_flag.size());
        arguments.erase(arguments.begin());
    }
    const Options options = parse_options(arguments);
    log::set_level(options.log_level);
    if (options.show_help) {
        sys::write_all(STDOUT_FILENO, help_text());
        return 0;
    }
    if (options.show_version) {
        sys::write_all(STDOUT_FILENO, "hull-registry version " HULL_VERSION "\n");
        return 0;
    }
    if (socket_count < 0) return Supervisor(options, std::move(arguments)).run();
    WorkerInput input{Fd(control_fd), {}, {}};
    for (int i = 0; i < socket_count; i++) input.sockets.emplace_back(first_socket_fd + i);
    if (!options.store.empty()) input.store = Fd(first_socket_fd + socket_count);
    run_worker(options, std::move(input));
    return 0;
}

}  // namespace

int run_program(int argument_count, char** arguments) {
    try {
        return run({arguments + 1, arguments + argument_count});
    } catch (const std::exception& error) {
        sys::write_all(STDERR_FILENO, std::string("hull-registry: ") + error.what() + "\n");
        return 1;
    }
}

}  // namespace hull::registry
