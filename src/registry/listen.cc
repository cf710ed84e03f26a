#include "registry/listen.hh"

#include "base/error.hh"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <charconv>

namespace hull::registry {

namespace {

constexpr int backlog = 1024;
constexpr int longest_wait_ms = 3000, pause_ms = 10;

struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;
};

Address parse_address(const std::string& text) {
    const std::size_t colon = text.rfind(':');
    std::uint16_t port = 0;
    const auto wrong = [&] {
        return Error(ErrorKind::invalid_argument,
                     "cannot listen on \"{}\": use ADDRESS:PORT, such as 0.0.0.0:5000 or [::]:5000",
                     text);
    };
    if (colon == std::string::npos) throw wrong();
    const auto [end, error] =
        std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size()) throw wrong();
    std::string host = text.substr(0, colon);
    if (host == "localhost") host = "127.0.0.1";
    if (host.empty()) host = "0.0.0.0";
    Address address;
    auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
    if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        address.size = sizeof v4;
        return address;
    }
    if (host.size() < 2 || host.front() != '[' || host.back() != ']') throw wrong();
    auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
    if (::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6.sin6_addr) != 1)
        throw wrong();
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    address.size = sizeof v6;
    return address;
}

}  // namespace

namespace {

/// An empty Fd when somebody else listens there.
Fd try_listen(const std::string& text, const Address& address) {
    Fd socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) throw_errno(errno, "listening on {}", text);
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) !=
            0 ||
        ::listen(socket.get(), backlog) != 0) {
        if (errno == EADDRINUSE) return {};
        throw_errno(errno, "listening on {}", text);
    }
    return socket;
}

}  // namespace

Fd listen_tcp(const std::string& text) {
    const Address address = parse_address(text);
    // The worker of a supervisor that was killed lets go of its sockets a moment later.
    for (int waited_ms = 0; waited_ms < longest_wait_ms; waited_ms += pause_ms) {
        if (Fd socket = try_listen(text, address)) return socket;
        ::poll(nullptr, 0, pause_ms);
    }
    throw_errno(EADDRINUSE, "listening on {}", text);
}

std::string local_address(int socket) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0)
        throw_errno(errno, "asking for a socket's address");
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (storage.ss_family == AF_INET) {
        const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
        ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
        return fmt::format("{}:{}", text.data(), ntohs(v4.sin_port));
    }
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    return fmt::format("[{}]:{}", text.data(), ntohs(v6.sin6_port));
}

}  // namespace hull::registry
