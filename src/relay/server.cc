#include "relay/server.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "base/time.hh"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace hull::relay {

namespace {

constexpr std::size_t largest_order = 1 << 20, most_descriptors = 200;
constexpr int most_clients_at_once = 64;
constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t idle_flow_ns = 90 * second_ns, check_ns = 10 * second_ns;

void set_nonblocking(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

}  // namespace

Server::Server(Fd listener) : listener_(std::move(listener)), spare_(sys::dup(listener_.get())) {
    set_nonblocking(listener_.get());
    loop_.watch(listener_.get(), EPOLLIN, [this](std::uint32_t) { accept_daemon(); });
}

Server::~Server() = default;

void Server::run() {
    while (daemon_ || !had_daemon_ || !ports_.empty() || !streams_.empty())
        loop_.run(check_datagrams());
}

/// Flows of UDP end by silence. Returns how long nothing is to be checked, in ms.
int Server::check_datagrams() {
    const bool has_flows = std::any_of(ports_.begin(), ports_.end(), [](const auto& item) {
        return item.second.datagrams && !item.second.datagrams->empty();
    });
    if (!has_flows) return -1;
    const std::int64_t now = monotonic_ns();
    if (now - checked_ns_ >= check_ns) {
        checked_ns_ = now;
        for (auto& [key, port] : ports_)
            if (port.datagrams) port.datagrams->forget_idle(now - idle_flow_ns);
    }
    return static_cast<int>(check_ns / 1'000'000);
}

// ---------------------------------------------------------------- the daemon

void Server::accept_daemon() {
    Fd daemon(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!daemon) return;
    drop_daemon();
    daemon_ = std::move(daemon);
    had_daemon_ = true;
    daemon_watch_ = loop_.watch(daemon_.get(), EPOLLIN, [this](std::uint32_t) { read_orders(); });
    try {
        greet();
    } catch (const Error&) {
        drop_daemon();  // it is gone again
    }
}

void Server::drop_daemon() {
    if (!daemon_) return;
    loop_.forget(daemon_watch_, daemon_.get());
    daemon_ = {};
}

void Server::greet() {
    json::Array keys;
    std::vector<int> sockets;
    const auto send = [&] {
        if (keys.empty()) return;
        sys::send_with_fds(daemon_.get(), json::dump(json::Object{{"ports", std::move(keys)}}),
                           sockets);
        keys.clear();
        sockets.clear();
    };
    for (const auto& [key, port] : ports_) {
        keys.push_back(key);
        sockets.push_back(port.datagrams ? port.datagrams->socket() : port.listener.get());
        if (sockets.size() == most_descriptors) send();
    }
    send();
    sys::send_with_fds(daemon_.get(), json::dump(json::Object{{"version", 1}}), {});
}

void Server::read_orders() {
    try {
        while (daemon_ && sys::poll_one(daemon_.get(), POLLIN, 0)) {
            sys::Received received = sys::receive_with_fds(daemon_.get(), largest_order);
            if (received.bytes.empty()) return drop_daemon();
            obey(json::parse(received.bytes), std::move(received.fds));
        }
    } catch (const Error&) {
        drop_daemon();  // the next one is told what there is
    }
}

void Server::obey(const json::Value& order, std::vector<Fd> sockets) {
    const std::string& kind = order["order"].as_string();
    if (kind == "add") {
        const json::Array& ports = order["ports"].as_array();
        if (ports.size() != sockets.size())
            throw Error(ErrorKind::invalid_argument, "{} ports with {} sockets", ports.size(),
                        sockets.size());
        for (std::size_t i = 0; i < ports.size(); ++i) {
            const json::Value& wanted = ports[i];
            Port port;
            port.target.protocol = static_cast<std::uint8_t>(wanted["protocol"].as_uint());
            port.target.address = IpAddress::get(wanted["address"].as_string());
            port.target.port = static_cast<std::uint16_t>(wanted["port"].as_uint());
            add_port(wanted["key"].as_string(), std::move(port), std::move(sockets[i]));
        }
    } else if (kind == "remove") {
        const json::Array& keys = order["keys"].as_array();
        for (const json::Value& key : keys) remove_port(key.as_string());
        sys::send_with_fds(daemon_.get(), json::dump(json::Object{{"removed", keys.size()}}), {});
    }
}

// ---------------------------------------------------------------- ports

void Server::add_port(const std::string& key, Port port, Fd socket) {
    remove_port(key);
    set_nonblocking(socket.get());
    if (port.target.protocol == IPPROTO_UDP) {
        port.datagrams = std::make_unique<Datagrams>(loop_, std::move(socket), port.target);
    } else {
        port.listener = std::move(socket);
        port.watch = loop_.watch(port.listener.get(), EPOLLIN,
                                 [this, key](std::uint32_t) { accept_clients(key); });
    }
    ports_.emplace(key, std::move(port));
}

/// Connections that exist go on.
void Server::remove_port(const std::string& key) {
    const auto found = ports_.find(key);
    if (found == ports_.end()) return;
    if (found->second.watch) loop_.forget(found->second.watch, found->second.listener.get());
    ports_.erase(found);
}

void Server::accept_clients(const std::string& key) {
    const auto found = ports_.find(key);
    if (found == ports_.end()) return;
    for (int i = 0; i < most_clients_at_once; ++i) {
        const int listener = found->second.listener.get();
        Fd client(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!client && (errno == EMFILE || errno == ENFILE)) {
            spare_ = {};
            Fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
            spare_ = sys::dup(listener_.get());
            return;
        }
        if (!client) return;
        const std::uint64_t number = next_stream_++;
        try {
            streams_[number] =
                std::make_unique<Stream>(loop_, std::move(client), found->second.target,
                                         [this, number] { streams_.erase(number); });
        } catch (const Error&) {
            streams_.erase(number);  // the client has been turned away
        }
    }
}

}  // namespace hull::relay
