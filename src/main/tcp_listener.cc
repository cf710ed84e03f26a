#include "main/tcp_listener.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/process.hh"
#include "base/sys.hh"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace hull {

namespace {

constexpr std::string_view scheme = "tcp://";
constexpr uid_t gate_uid = 64995;  ///< nobody else's
constexpr int key_reading_ms = 10'000;

struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;
};

Address parse_address(const std::string& host, bool tls) {
    std::string rest = host.substr(scheme.size());
    while (rest.ends_with('/')) rest.pop_back();
    const std::size_t bracket = rest.rfind(']');
    const std::size_t colon = rest.find(':', bracket == std::string::npos ? 0 : bracket);
    std::string name = rest.substr(0, colon);
    std::uint16_t port = tls ? 2376 : 2375;
    if (colon != std::string::npos) {
        const char* const end = rest.data() + rest.size();
        const auto [last, error] = std::from_chars(rest.data() + colon + 1, end, port);
        if (error != std::errc() || last != end)
            throw Error(ErrorKind::invalid_argument, "invalid port in {}", host);
    }
    if (name == "localhost" || name.empty()) name = "127.0.0.1";
    if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
    Address address;
    auto* const four = reinterpret_cast<sockaddr_in*>(&address.storage);
    auto* const six = reinterpret_cast<sockaddr_in6*>(&address.storage);
    if (::inet_pton(AF_INET, name.c_str(), &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(port);
        address.size = sizeof *four;
    } else if (::inet_pton(AF_INET6, name.c_str(), &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(port);
        address.size = sizeof *six;
    } else {
        throw Error(ErrorKind::invalid_argument,
                    "{} names no address to listen on: use tcp://ADDRESS:PORT", host);
    }
    return address;
}

Fd tuned(Fd connection) {
    const int on = 1;
    ::setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(connection.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    return connection;
}

}  // namespace

TlsOptions with_default_files(TlsOptions options) {
    options.enabled = true;
    if (options.certificate.empty()) options.certificate = "/etc/hull/cert.pem";
    if (options.key.empty()) options.key = "/etc/hull/key.pem";
    if (options.ca.empty() && options.verify) options.ca = "/etc/hull/ca.pem";
    return options;
}

TlsGate::TlsGate(TlsOptions options, Path program, Path directory)
    : options_(std::move(options)), program_(std::move(program)), directory_(std::move(directory)) {
    sys::mkdir_all(directory_, 0711);
    auto channel = channel_.lock();
    *channel = spawn();
}

Fd TlsGate::spawn() const {
    sys::SocketPair pair = sys::socketpair(SOCK_SEQPACKET);
    Command command;
    command.arguments = {program_,
                         "serve",
                         options_.verify ? "--tlsverify" : "--tls",
                         "--tlscert",
                         options_.certificate,
                         "--tlskey",
                         options_.key,
                         "--uid",
                         std::to_string(gate_uid),
                         "--directory",
                         directory_};
    if (!options_.ca.empty()) {
        command.arguments.push_back("--tlscacert");
        command.arguments.push_back(options_.ca);
    }
    command.descriptors = {{pair.second.get(), 3}};
    command.new_session = true;
    Process process = Process::spawn(command);
    pair.second.reset();
    std::array<char, 1024> answer;
    const bool in_time = sys::poll_one(pair.first.get(), POLLIN, key_reading_ms);
    const ssize_t size = in_time ? ::recv(pair.first.get(), answer.data(), answer.size(), 0) : 0;
    const std::string text(answer.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    if (text != "+")
        throw Error(ErrorKind::invalid_argument, "TLS: {}",
                    text.empty() ? "hull-tls ended at once" : text);
    (void)process.release();  // it ends with our side of the channel
    return std::move(pair.first);
}

Fd TlsGate::wrap(Fd connection) {
    connection = tuned(std::move(connection));
    sys::SocketPair pair = sys::socketpair(SOCK_STREAM);
    const int fds[] = {connection.get(), pair.second.get()};
    auto channel = channel_.lock();
    try {
        sys::send_with_fds(channel->get(), "c", fds);
    } catch (const Error&) {
        log::warning("hull-tls is gone; starting it again");
        *channel = spawn();
        sys::send_with_fds(channel->get(), "c", fds);
    }
    return std::move(pair.first);
}

bool is_tcp(const std::string& host) { return host.starts_with(scheme); }

void listen_tcp(http::Server& server, const std::string& host, TlsGate* gate) {
    const Address address = parse_address(host, gate != nullptr);
    Fd socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) throw_errno(errno, "listening on {}", host);
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) !=
            0 ||
        ::listen(socket.get(), 1024) != 0)
        throw_errno(errno, "listening on {}", host);
    if (gate) {
        server.listen(std::move(socket),
                      [gate](int connection) { return gate->wrap(sys::dup(connection)); });
    } else {
        log::warning(
            "the API listens on {} without TLS: whoever reaches it is root of this machine", host);
        server.listen(std::move(socket),
                      [](int connection) { return tuned(sys::dup(connection)); });
    }
}

}  // namespace hull
