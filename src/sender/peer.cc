#include "sender/peer.hh"

#include "base/error.hh"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace hull::sender {

namespace {

struct Defaults {
    std::string address, port;
};

/// Address and port when an option leaves them open.
Defaults defaults_of(const Target& target) {
    if (target.driver == "syslog") {
        const std::string address = target.option("syslog-address");
        return {address.empty() ? "unixgram:///dev/log" : address, "514"};
    }
    if (target.driver == "journald") {
        return {"unixgram://" + target.option("journal-socket", "/run/systemd/journal/socket"), ""};
    }
    if (target.driver == "fluentd")
        return {target.option("fluentd-address", "tcp://127.0.0.1:24224"), "24224"};
    if (target.driver == "gelf") return {target.option("gelf-address"), "12201"};
    throw Error(ErrorKind::invalid_argument, "no log driver named '{}'", target.driver);
}

}  // namespace

Peer::Peer(const Target& target) {
    Defaults defaults = defaults_of(target);
    text_ = defaults.address;
    if (text_.find("://") == std::string::npos) text_ = "tcp://" + text_;
    const std::string scheme = text_.substr(0, text_.find("://"));
    std::string rest = text_.substr(scheme.size() + 3);
    is_stream_ = scheme == "tcp" || scheme == "unix";
    if (scheme == "unix" || scheme == "unixgram") {
        path_ = rest;
        if (path_.size() >= sizeof(sockaddr_un::sun_path))
            throw Error(ErrorKind::invalid_argument, "{} is too long for a socket", path_);
        return;
    }
    if (scheme != "tcp" && scheme != "udp")
        throw Error(ErrorKind::invalid_argument, "{}: use udp://, tcp:// or unix://", text_);
    const std::size_t bracket = rest.rfind(']');
    const std::size_t colon = rest.find(':', bracket == std::string::npos ? 0 : bracket);
    host_ = rest.substr(0, colon);
    port_ = colon == std::string::npos ? defaults.port : rest.substr(colon + 1);
    if (host_.starts_with('[') && host_.ends_with(']')) host_ = host_.substr(1, host_.size() - 2);
    if (host_.empty()) host_ = "127.0.0.1";
}

void Peer::connect() {
    const int type = (is_stream_ ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC;
    if (!path_.empty()) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path_.data(), path_.size());
        // /dev/log is a datagram socket on most machines and a stream on some.
        for (const int kind : {type, (is_stream_ ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC}) {
            Fd socket(::socket(AF_UNIX, kind, 0));
            if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) ==
                0) {
                is_stream_ = (kind & SOCK_STREAM) && !(kind & SOCK_DGRAM);
                socket_ = std::move(socket);
                return;
            }
            if (errno != EPROTOTYPE) break;
        }
        throw Error(ErrorKind::unavailable, "dial {}: {}", text_, std::strerror(errno));
    }
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = is_stream_ ? SOCK_STREAM : SOCK_DGRAM;
    if (const int error = ::getaddrinfo(host_.c_str(), port_.c_str(), &hints, &found); error != 0)
        throw Error(ErrorKind::unavailable, "dial {}: {}", text_, ::gai_strerror(error));
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
    int problem = ECONNREFUSED;
    for (const addrinfo* at = found; at; at = at->ai_next) {
        Fd socket(::socket(at->ai_family, type, 0));
        if (!socket) continue;
        const timeval limit{5, 0};
        ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        if (::connect(socket.get(), at->ai_addr, at->ai_addrlen) == 0) {
            socket_ = std::move(socket);
            return;
        }
        problem = errno == EINPROGRESS ? ETIMEDOUT : errno;
    }
    throw Error(ErrorKind::unavailable, "dial {}: {}", text_, std::strerror(problem));
}

std::size_t Peer::send(const std::string& bytes, std::size_t begin) {
    if (!socket_) connect();
    if (is_stream_) {  // a stream that its reader has closed takes bytes before it complains
        char byte;
        if (::recv(socket_.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0) {
            socket_.reset();
            throw Error(ErrorKind::unavailable, "{} closed the connection", text_);
        }
    }
    const ssize_t sent = ::send(socket_.get(), bytes.data() + begin, bytes.size() - begin,
                                MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) return static_cast<std::size_t>(sent);
    if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) return 0;
    const int problem = errno;
    // A datagram too long for the socket will never go, and nobody hears of an absent UDP peer.
    if (!is_stream_ && (problem == EMSGSIZE || problem == ECONNREFUSED))
        return bytes.size() - begin;
    socket_.reset();
    throw Error(ErrorKind::unavailable, "sending to {}: {}", text_, std::strerror(problem));
}

}  // namespace hull::sender
