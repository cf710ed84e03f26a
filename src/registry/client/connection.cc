#include "registry/client/connection.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "http/parser.hh"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace hull::registry_client {

namespace {

constexpr std::size_t proxy_reply_limit = 64UL << 10;

/// Go's words for a failed connect.
std::string describe_errno(int number) {
    std::string text = lower(std::strerror(number));
    return text;
}

Fd connect_to(const Address& address, int timeout_ms) {
    Fd socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) throw_errno(errno, "making a socket");
    const auto refuse = [&](int number) {
        throw Error(ErrorKind::unavailable, "dial tcp {}: connect: {}", address.str(),
                    describe_errno(number))
            .with_errno(number);
    };
    if (::connect(socket.get(), address.get(), address.size) != 0) {
        if (errno != EINPROGRESS) refuse(errno);
        if (!sys::poll_one(socket.get(), POLLOUT, timeout_ms))
            throw Error(ErrorKind::unavailable, "dial tcp {}: i/o timeout", address.str())
                .with_errno(ETIMEDOUT);
        int number = 0;
        socklen_t size = sizeof number;
        ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &number, &size);
        if (number != 0) refuse(number);
    }
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return socket;
}

Fd connect_to(const Network& network, const std::string& host, std::uint16_t port) {
    std::vector<Address> addresses;
    try {
        addresses = resolve(network.names, host, port);
    } catch (Error& error) {
        error.add_context("dial tcp");
        throw;
    }
    for (std::size_t i = 0;; ++i) {
        try {
            return connect_to(addresses[i], network.connect_ms);
        } catch (const Error&) {
            if (i + 1 >= addresses.size()) throw;
        }
    }
}

bool is_local(const std::string& host) {
    if (host == "localhost" || host == "::1" || host.ends_with(".localhost")) return true;
    in_addr address{};
    return ::inet_pton(AF_INET, host.c_str(), &address) == 1 &&
           (ntohl(address.s_addr) >> 24) == 127;
}

}  // namespace

bool in_network(std::string_view cidr, const std::string& host) {
    const std::size_t slash = cidr.find('/');
    if (slash == std::string_view::npos) return false;
    const auto network = numeric_address(std::string(cidr.substr(0, slash)), 0);
    const auto address = numeric_address(host, 0);
    int bits = -1;
    std::from_chars(cidr.data() + slash + 1, cidr.data() + cidr.size(), bits);
    if (network.empty() || address.empty() || bits < 0 ||
        network[0].storage.ss_family != address[0].storage.ss_family)
        return false;
    const bool is_v4 = network[0].storage.ss_family == AF_INET;
    const auto bytes_of = [&](const Address& of) {
        return is_v4 ? reinterpret_cast<const unsigned char*>(
                           &reinterpret_cast<const sockaddr_in*>(&of.storage)->sin_addr)
                     : reinterpret_cast<const unsigned char*>(
                           &reinterpret_cast<const sockaddr_in6*>(&of.storage)->sin6_addr);
    };
    if (bits > (is_v4 ? 32 : 128)) return false;
    const unsigned char *left = bytes_of(network[0]), *right = bytes_of(address[0]);
    for (int bit = 0; bit < bits; ++bit)
        if (((left[bit / 8] ^ right[bit / 8]) >> (7 - bit % 8) & 1) != 0) return false;
    return true;
}

Proxy parse_proxy(std::string_view text) {
    std::string address(text);
    if (address.find("://") == std::string::npos) address = "http://" + address;
    Proxy proxy;
    const std::size_t start = address.find("://") + 3;
    const std::size_t end = std::min(address.find('/', start), address.size());
    if (const std::size_t at = address.rfind('@', end);
        at != std::string::npos && at >= start && at < end) {
        const std::string user =
            http::decode_percent(std::string_view(address).substr(start, at - start), false);
        proxy.authorization = "Basic " + encode_base64(user);
        address.erase(start, at + 1 - start);
    }
    proxy.url = parse_url(address);
    return proxy;
}

bool bypasses_proxy(std::string_view no_proxy, const Url& url) {
    if (is_local(url.host)) return true;
    for (const std::string& item : split_nonempty(no_proxy, ',')) {
        std::string rule = lower(trim(item));
        if (rule == "*") return true;
        if (in_network(rule, url.host)) return true;
        if (const std::size_t colon = rule.rfind(':');
            colon != std::string::npos && rule.find(':') == colon) {
            if (rule.substr(colon + 1) != std::to_string(url.port)) continue;
            rule.resize(colon);
        }
        if (rule.starts_with("*.")) rule.erase(0, 1);
        if (rule.empty()) continue;
        if (rule.front() == '.' ? url.host.ends_with(rule)
                                : url.host == rule || url.host.ends_with("." + rule))
            return true;
    }
    return false;
}

const Proxy* Network::proxy_for(const Url& url) const {
    const std::optional<Proxy>& proxy = url.is_https() ? https_proxy : http_proxy;
    if (!proxy || bypasses_proxy(no_proxy, url)) return nullptr;
    return &*proxy;
}

Connection::Connection(const Network& network, const Url& url, const TlsMaterial& material)
    : silence_ms_(network.silence_ms) {
    if (const Proxy* proxy = network.proxy_for(url)) {
        if (proxy->url.is_https())
            throw Error(ErrorKind::unsupported,
                        "proxies that are spoken to in TLS ({}) are not "
                        "supported",
                        proxy->url.origin());
        try {
            socket_ = connect_to(network, proxy->url.host, proxy->url.port);
            if (url.is_https())
                open_tunnel(url, *proxy);
            else
                through_http_proxy_ = true;
        } catch (Error& error) {
            error.add_context("proxyconnect tcp");
            throw;
        }
    } else {
        socket_ = connect_to(network, url.host, url.port);
    }
    if (url.is_https())
        tls_ = std::make_unique<TlsStream>(socket_.get(), url.host, material, silence_ms_);
}

void Connection::open_tunnel(const Url& url, const Proxy& proxy) {
    const std::string host =
        url.host.find(':') == std::string::npos ? url.host : "[" + url.host + "]";
    const std::string target = host + ":" + std::to_string(url.port);
    std::string request = "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n";
    if (!proxy.authorization.empty())
        request += "Proxy-Authorization: " + proxy.authorization + "\r\n";
    write_plain(request + "\r\n");
    http::Parser parser(http::Parser::Role::response, proxy_reply_limit);
    parser.expect_no_body();
    std::string ignored, pending;
    while (!parser.header_done()) {
        std::array<std::byte, 1> byte;  // not one more than the header: TLS follows
        if (read_plain(byte) == 0)
            throw Error(ErrorKind::unavailable, "the proxy hung up").with_errno(EPIPE);
        pending += static_cast<char>(byte[0]);
        if (!pending.ends_with("\r\n\r\n") && pending.size() < proxy_reply_limit) continue;
        parser.put(pending, ignored);
        if (!parser.header_done())
            throw Error(ErrorKind::unavailable, "the proxy sends no HTTP reply");
    }
    if (parser.status / 100 != 2)
        throw Error(ErrorKind::unavailable, "the proxy refuses with status {} {}", parser.status,
                    http::status_text(parser.status));
}

std::size_t Connection::read_plain(std::span<std::byte> buffer) {
    for (;;) {
        const ssize_t count = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
        if (count >= 0) return static_cast<std::size_t>(count);
        if (errno == EINTR) continue;
        if (errno == ECONNRESET) return 0;
        if (errno != EAGAIN) throw_errno(errno, "receiving from the peer");
        if (!sys::poll_one(socket_.get(), POLLIN, silence_ms_))
            throw Error(ErrorKind::unavailable, "i/o timeout: nothing came for {} s",
                        silence_ms_ / 1000)
                .with_errno(ETIMEDOUT);
    }
}

void Connection::write_plain(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (count >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(count));
            continue;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN)
            throw Error(ErrorKind::unavailable, "the connection broke while sending")
                .with_errno(EPIPE);
        if (!sys::poll_one(socket_.get(), POLLOUT, silence_ms_))
            throw Error(ErrorKind::unavailable, "i/o timeout: the peer takes nothing")
                .with_errno(ETIMEDOUT);
    }
}

std::size_t Connection::read(std::span<std::byte> buffer) {
    return tls_ ? tls_->read(buffer) : read_plain(buffer);
}

void Connection::write(std::string_view bytes) {
    if (tls_)
        tls_->write(bytes);
    else
        write_plain(bytes);
}

bool Connection::is_fresh() const {
    return !(tls_ && tls_->has_buffered()) && !sys::poll_one(socket_.get(), POLLIN | POLLRDHUP, 0);
}

}  // namespace hull::registry_client
