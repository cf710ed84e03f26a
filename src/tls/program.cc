#include "tls/program.hh"

#include "base/error.hh"
#include "base/fd.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "linux/sandbox.hh"
#include "tls/context.hh"
#include "tls/relay.hh"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <thread>

namespace hull::tls {

namespace {

constexpr int channel = 3;
constexpr int handshake_ms = 15'000, connect_ms = 30'000;
constexpr int most_connections = 2000;  ///< of strangers who may not even know a key

struct Options {
    std::vector<std::string> words;
    Files files;
    bool tls = false;
    uid_t uid = 0;
    Path directory;
};

Options parse(const std::vector<std::string>& arguments) {
    Options options;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& name = arguments[i];
        if (!name.starts_with("--")) {
            options.words.push_back(name);
            continue;
        }
        if (name == "--tls" || name == "--tlsverify") {
            options.tls = true;
            options.files.verify |= name == "--tlsverify";
            continue;
        }
        if (i + 1 >= arguments.size())
            throw Error(ErrorKind::invalid_argument, "{} needs a value", name);
        const std::string& value = arguments[++i];
        if (name == "--tlscacert")
            options.files.ca = value;
        else if (name == "--tlscert")
            options.files.certificate = value;
        else if (name == "--tlskey")
            options.files.key = value;
        else if (name == "--directory")
            options.directory = value;
        else if (name == "--uid")
            std::from_chars(value.data(), value.data() + value.size(), options.uid);
        else
            throw Error(ErrorKind::invalid_argument, "unknown flag {}", name);
    }
    return options;
}

void set_non_blocking(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

void tune(int socket) {
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

// ---------------------------------------------------------------- the server's side

void serve_connection(SSL_CTX* context, Fd socket, Fd plain) {
    set_non_blocking(socket.get());
    set_non_blocking(plain.get());
    const Ssl ssl(SSL_new(context));
    if (!ssl || SSL_set_fd(ssl.get(), socket.get()) != 1) return;
    SSL_set_accept_state(ssl.get());
    try {
        shake_hands(ssl.get(), socket.get(), handshake_ms);
    } catch (const Error& error) {
        log::info("a client over TCP: {}", error.message());
        linger(socket.get());
        return;
    }
    relay(ssl.get(), socket.get(), plain.get());
}

int serve(const Options& options) {
    const Context context = make_server_context(options.files);
    const Fd directory = sys::open(options.directory, O_RDONLY | O_DIRECTORY);
    if (::geteuid() == 0)
        linux_::enter_sandbox({.uid = options.uid, .directory = directory.get(), .network = true});
    sys::write_all(channel, "+");
    std::atomic<int> connections = 0;
    for (;;) {
        sys::Received received = sys::receive_with_fds(channel, 16);
        if (received.bytes.empty()) ::_exit(0);  // hulld is gone, and its side of every connection
        if (received.fds.size() != 2 || connections >= most_connections) continue;
        ++connections;
        std::thread([&connections, context = context.get(), socket = std::move(received.fds[0]),
                     plain = std::move(received.fds[1])]() mutable {
            try {
                serve_connection(context, std::move(socket), std::move(plain));
            } catch (const std::exception& error) {
                log::info("a client over TCP: {}", error.what());
            }
            --connections;
        }).detach();
    }
}

// ---------------------------------------------------------------- the client's side

Fd connect_to(const std::string& host, const std::string& port) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    if (const int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found); error != 0)
        throw Error(ErrorKind::unavailable, "lookup {}: {}", host, ::gai_strerror(error));
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
    int problem = ECONNREFUSED;
    for (const addrinfo* at = found; at; at = at->ai_next) {
        Fd socket(::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (!socket) continue;
        const timeval limit{connect_ms / 1000, 0};
        ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        if (::connect(socket.get(), at->ai_addr, at->ai_addrlen) == 0) {
            tune(socket.get());
            set_non_blocking(socket.get());
            return socket;
        }
        problem = errno == EINPROGRESS ? ETIMEDOUT : errno;
    }
    throw Error(ErrorKind::unavailable, "dial tcp {}:{}: {}", host, port, std::strerror(problem));
}

/// In TLS 1.3 the server judges our certificate after our part of the handshake. It sends tickets
/// when it is content, which come at once; one that sends none costs a moment.
void await_verdict(SSL* ssl, int socket) {
    constexpr int moment_ms = 300;
    if (SSL_version(ssl) < TLS1_3_VERSION || !sys::poll_one(socket, POLLIN, moment_ms)) return;
    char byte;
    const int result = SSL_peek(ssl, &byte, 1);
    if (result > 0) return;
    const int error = SSL_get_error(ssl, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return;
    throw Error(ErrorKind::unavailable, "remote error: tls: {}", last_error());
}

int connect(const Options& options) {
    if (options.words.size() != 3)
        throw Error(ErrorKind::invalid_argument, "usage: hull-tls connect HOST PORT");
    const std::string& host = options.words[1];
    Fd socket = connect_to(host, options.words[2]);
    set_non_blocking(0);
    if (!options.tls) {
        sys::write_all(channel, "+");
        ::close(channel);
        relay_plain(socket.get(), 0);
        return 0;
    }
    const Context context = make_client_context(options.files);
    const Ssl ssl(SSL_new(context.get()));
    if (!ssl || SSL_set_fd(ssl.get(), socket.get()) != 1)
        throw Error(ErrorKind::internal, "tls: {}", last_error());
    X509_VERIFY_PARAM* const wanted = SSL_get0_param(ssl.get());
    if (X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) != 1) {
        X509_VERIFY_PARAM_set1_host(wanted, host.c_str(), 0);
        SSL_set_tlsext_host_name(ssl.get(), host.c_str());
    }
    SSL_set_connect_state(ssl.get());
    shake_hands(ssl.get(), socket.get(), handshake_ms);
    await_verdict(ssl.get(), socket.get());
    sys::write_all(channel, "+");
    ::close(channel);
    if (const std::string problem = relay(ssl.get(), socket.get(), 0); !problem.empty())
        sys::write_all(STDERR_FILENO, fmt::format("remote error: tls: {}\n", problem));
    return 0;
}

}  // namespace

int run_program(const std::vector<std::string>& arguments) {
    ::signal(SIGPIPE, SIG_IGN);
    try {
        const Options options = parse(arguments);
        const std::string verb = options.words.empty() ? "" : options.words[0];
        if (verb == "serve") return serve(options);
        if (verb == "connect") return connect(options);
        throw Error(ErrorKind::invalid_argument, "usage: hull-tls serve|connect");
    } catch (const std::exception& error) {
        try {
            sys::write_all(channel, error.what());
        } catch (const std::exception&) {
            log::error("hull-tls: {}", error.what());
        }
        return 1;
    }
}

}  // namespace hull::tls
