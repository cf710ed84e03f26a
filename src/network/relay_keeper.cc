#include "network/relay_keeper.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace hull::network {

namespace {

constexpr std::size_t most_sockets = 200, largest_message = 1 << 20;
constexpr int answer_ms = 5000;

json::Value receive(int control, std::vector<Fd>& sockets) {
    if (!sys::poll_one(control, POLLIN, answer_ms))
        throw Error(ErrorKind::unavailable, "hull-relay does not answer");
    sys::Received received = sys::receive_with_fds(control, largest_message);
    if (received.bytes.empty()) throw Error(ErrorKind::unavailable, "hull-relay has ended");
    sockets = std::move(received.fds);
    return json::parse(received.bytes);
}

}  // namespace

RelayKeeper::RelayKeeper(RelayOptions options)
    : options_(std::move(options)), changed_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

RelayKeeper::~RelayKeeper() {
    stop_.request();
    if (watcher_.joinable()) watcher_.join();
    control_ = {};
    constexpr int goodbye_ms = 1000;
    // Without ports it ends now, unless connections go on.
    if (process_ && (!ports_.empty() || !process_->wait_for(goodbye_ms))) process_->release();
}

std::map<std::string, Fd> RelayKeeper::take_over() {
    std::lock_guard lock(mutex_);
    std::map<std::string, Fd> taken;
    if (!is_there() || control_) return taken;
    try {
        const Path path = join(options_.directory, "relay.sock");
        if (!sys::find_stat(path)) return taken;
        control_ = sys::connect_unix(path, SOCK_SEQPACKET);
        for (bool is_whole = false; !is_whole;) {
            std::vector<Fd> sockets;
            const json::Value message = receive(control_.get(), sockets);
            is_whole = !message["version"].is_null();
            if (is_whole) break;
            const json::Array& keys = message["ports"].as_array();
            for (std::size_t i = 0; i < keys.size() && i < sockets.size(); ++i)
                taken[keys[i].as_string()] = std::move(sockets[i]);
        }
        connect();
    } catch (const std::exception& error) {
        log::debug("no hull-relay to take over: {}", error.what());
        control_ = {};
        taken.clear();
    }
    for (const auto& [key, socket] : taken) inherited_.push_back(key);
    return taken;
}

/// From here on `control_` is watched.
void RelayKeeper::connect() {
    constexpr timeval patience{5, 0};
    ::setsockopt(control_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    ::eventfd_write(changed_.get(), 1);
    if (!watcher_.joinable()) watcher_ = std::thread([this] { watch(); });
}

void RelayKeeper::start() {
    if (control_) return;
    const Path room = join(options_.directory, "relay"),
               path = join(options_.directory, "relay.sock");
    sys::mkdir_all(room, 0555);
    sys::unlink(path);
    const Fd listener = sys::listen_unix(path, SOCK_SEQPACKET, 0600);
    // Before it lives: should we die in between, it sees that we are gone.
    control_ = sys::connect_unix(path, SOCK_SEQPACKET);
    Command command;
    command.arguments = {options_.program, "--directory", room, "--uid",
                         std::to_string(options_.uid)};
    command.descriptors.push_back({listener.get(), 3});
    command.environment.emplace();
    command.new_session = true;
    process_.emplace(Process::spawn(command));
    connect();
    std::vector<RelayedPort> ports;
    for (const auto& [key, port] : ports_) ports.push_back(port);
    send_ports(ports);
}

/// The watcher starts another one, which is told everything.
void RelayKeeper::lose(const std::string& reason) {
    log::warning("hull-relay: {}", reason);
    ::shutdown(control_.get(), SHUT_RDWR);
}

void RelayKeeper::send_ports(const std::vector<RelayedPort>& ports) {
    for (std::size_t first = 0; first < ports.size(); first += most_sockets) {
        json::Array list;
        std::vector<int> sockets;
        for (std::size_t i = first; i < std::min(ports.size(), first + most_sockets); ++i) {
            const RelayedPort& port = ports[i];
            list.push_back(json::Object{{"key", port.key},
                                        {"protocol", unsigned{port.protocol}},
                                        {"address", port.target.text()},
                                        {"port", unsigned{port.target_port}}});
            sockets.push_back(port.socket->get());
        }
        sys::send_with_fds(control_.get(),
                           json::dump(json::Object{{"order", "add"}, {"ports", std::move(list)}}),
                           sockets);
    }
}

void RelayKeeper::add(const std::vector<RelayedPort>& ports) {
    if (ports.empty()) return;
    std::lock_guard lock(mutex_);
    try {
        start();
        for (const RelayedPort& port : ports) {
            ports_[port.key] = port;
            std::erase(inherited_, port.key);
        }
        send_ports(ports);
    } catch (const Error& error) {
        if (!control_) throw;  // it cannot be started
        lose(error.message());
    }
}

/// Answers to removals are all that hull-relay says after its greeting.
void RelayKeeper::send_removal(const std::vector<std::string>& keys) {
    constexpr std::size_t most_keys = 1000;  // of one packet
    for (std::size_t first = 0; first < keys.size(); first += most_keys) {
        const std::size_t last = std::min(keys.size(), first + most_keys);
        json::Array list;
        for (std::size_t i = first; i < last; ++i) list.push_back(keys[i]);
        sys::send_with_fds(control_.get(),
                           json::dump(json::Object{{"order", "remove"}, {"keys", std::move(list)}}),
                           {});
        std::vector<Fd> sockets;
        while (receive(control_.get(), sockets)["removed"].is_null()) {
        }
    }
}

void RelayKeeper::remove(const std::vector<std::string>& keys) {
    if (keys.empty()) return;
    std::lock_guard lock(mutex_);
    for (const std::string& key : keys) ports_.erase(key);
    if (!control_) return;
    try {
        send_removal(keys);
    } catch (const Error& error) {
        lose(error.message());
    }
}

void RelayKeeper::remove_strangers() {
    std::vector<std::string> strangers;
    {
        std::lock_guard lock(mutex_);
        strangers.swap(inherited_);
    }
    remove(strangers);
}

void RelayKeeper::watch() {
    try {
        for (;;) {
            int control = -1;
            {
                std::lock_guard lock(mutex_);
                control = control_ ? control_.get() : -1;
            }
            pollfd waits[] = {
                {stop_.fd(), POLLIN, 0}, {changed_.get(), POLLIN, 0}, {control, 0, 0}};
            if (::poll(waits, std::size(waits), -1) < 0 && errno != EINTR)
                throw_errno(errno, "poll");
            if (waits[0].revents) return;
            eventfd_t count = 0;
            ::eventfd_read(changed_.get(), &count);
            if (!(waits[2].revents & (POLLHUP | POLLERR))) continue;
            std::lock_guard lock(mutex_);
            if (process_) {
                process_->signal(SIGKILL);
                process_->wait();
                process_.reset();
            }
            control_ = {};
            constexpr int pause_ms = 100;  // should it end again and again
            ::poll(nullptr, 0, pause_ms);
            if (ports_.empty()) continue;
            log::warning("hull-relay has ended and is started again");
            start();
        }
    } catch (const std::exception& error) {
        log::error("hull-relay is not watched any more: {}", error.what());
    }
}

}  // namespace hull::network
