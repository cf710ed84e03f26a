#include "registry/tls_server.hh"

#include "base/error.hh"
#include "base/release.hh"
#include "base/sys.hh"
#include "base/time.hh"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

namespace hull::registry {

namespace {

constexpr int handshake_ms = 10'000;
constexpr int farewell_ms = 30'000;  ///< for the peer to take what is left when HTTP has ended
constexpr std::size_t buffer_bytes = 64 << 10, stack_bytes = 256 << 10;

std::string openssl_error() {
    std::array<char, 256> text{};
    ::ERR_error_string_n(::ERR_get_error(), text.data(), text.size());
    ::ERR_clear_error();
    return text.data();
}

int choose_http_1(SSL*, const unsigned char** out, unsigned char* out_size,
                  const unsigned char* offered, unsigned offered_size, void*) {
    static constexpr unsigned char ours[] = "\x08http/1.1";
    unsigned char* chosen = nullptr;
    if (::SSL_select_next_proto(&chosen, out_size, ours, sizeof ours - 1, offered, offered_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

using Ssl = std::unique_ptr<SSL, Release<SSL_free>>;

short wanted_events(SSL* ssl, int result) {
    switch (::SSL_get_error(ssl, result)) {
        case SSL_ERROR_WANT_READ: return POLLIN;
        case SSL_ERROR_WANT_WRITE: return POLLOUT;
        default: return 0;
    }
}

/// Bytes on their way in one direction.
struct Buffer {
    std::vector<char> bytes = std::vector<char>(buffer_bytes);
    std::size_t begin = 0, end = 0;
    bool empty() const { return begin == end; }
};

/// Carries bytes between a TLS connection and a plain socket until one of them ends.
class Pump {
public:
    Pump(Fd socket, Fd local, Ssl ssl)
        : socket_(std::move(socket)), local_(std::move(local)), ssl_(std::move(ssl)) {
        ::fcntl(local_.get(), F_SETFL, O_NONBLOCK);
    }

    void run() {
        for (;;) {
            socket_events_ = local_events_ = 0;
            // Each of them, whatever the others did.
            const bool received = receive(), delivered = deliver();
            const bool collected = collect(), sent = send();
            const bool moved_in = received || delivered, moved_out = collected || sent;
            if (is_over_) return;
            if (local_closed_ && out_.empty()) return farewell();
            if (moved_in || moved_out) continue;
            pollfd fds[] = {{socket_.get(), socket_events_, 0}, {local_.get(), local_events_, 0}};
            // Of a local end that is closed poll(2) would report nothing else but that.
            if (local_closed_) fds[1].fd = -1;
            const int count = ::poll(fds, 2, local_closed_ ? farewell_ms : -1);
            if (count == 0 || (count < 0 && errno != EINTR)) return;
        }
    }

private:
    bool receive() {
        if (!in_.empty() || peer_closed_) return false;
        const int count =
            ::SSL_read(ssl_.get(), in_.bytes.data(), static_cast<int>(in_.bytes.size()));
        if (count > 0) {
            in_.begin = 0, in_.end = static_cast<std::size_t>(count);
            return true;
        }
        const short events = wanted_events(ssl_.get(), count);
        socket_events_ |= events;
        if (events != 0) return false;
        ::ERR_clear_error();
        peer_closed_ = true;
        ::shutdown(local_.get(), SHUT_WR);
        return true;
    }

    bool deliver() {
        if (in_.empty()) return false;
        const ssize_t count = ::send(local_.get(), in_.bytes.data() + in_.begin,
                                     in_.end - in_.begin, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count > 0) {
            in_.begin += static_cast<std::size_t>(count);
            return true;
        }
        if (errno == EAGAIN)
            local_events_ |= POLLOUT;
        else if (errno != EINTR)
            in_.begin = in_.end = 0, peer_closed_ = true;  // nobody reads it any more
        return false;
    }

    bool collect() {
        if (!out_.empty() || local_closed_) return false;
        const ssize_t count =
            ::recv(local_.get(), out_.bytes.data(), out_.bytes.size(), MSG_DONTWAIT);
        if (count > 0) {
            out_.begin = 0, out_.end = static_cast<std::size_t>(count);
            return true;
        }
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
            local_events_ |= POLLIN;
            return false;
        }
        local_closed_ = true;
        return true;
    }

    bool send() {
        if (out_.empty()) return false;
        const int count = ::SSL_write(ssl_.get(), out_.bytes.data() + out_.begin,
                                      static_cast<int>(out_.end - out_.begin));
        if (count > 0) {
            out_.begin += static_cast<std::size_t>(count);
            return true;
        }
        const short events = wanted_events(ssl_.get(), count);
        socket_events_ |= events;
        if (events != 0) return false;
        ::ERR_clear_error();
        is_over_ = true;
        return true;
    }

    void farewell() {
        ::SSL_shutdown(ssl_.get());
        ::shutdown(socket_.get(), SHUT_WR);
        // As http::Server does: a client that still sends must be able to read the reply first.
        const std::int64_t deadline = monotonic_ns() + 500'000'000;
        while (monotonic_ns() < deadline && sys::poll_one(socket_.get(), POLLIN, 100) &&
               ::recv(socket_.get(), in_.bytes.data(), in_.bytes.size(), MSG_DONTWAIT) > 0)
            continue;
    }

    Fd socket_, local_;
    Ssl ssl_;
    Buffer in_, out_;
    short socket_events_ = 0, local_events_ = 0;
    bool peer_closed_ = false, local_closed_ = false, is_over_ = false;
};

void start_pump(std::unique_ptr<Pump> pump) {
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstacksize(&attributes, stack_bytes);
    ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_t thread;
    const int error = ::pthread_create(
        &thread, &attributes,
        [](void* argument) -> void* {
            const std::unique_ptr<Pump> owned(static_cast<Pump*>(argument));
            owned->run();
            return nullptr;
        },
        pump.get());
    ::pthread_attr_destroy(&attributes);
    if (error != 0) throw Error(ErrorKind::unavailable, "starting a thread failed");
    (void)pump.release();
}

/// Somebody who speaks HTTP to a TLS port gets an answer that says so.
void refuse_plain_http(int socket) {
    char first = 0;
    if (!sys::poll_one(socket, POLLIN, handshake_ms) ||
        ::recv(socket, &first, 1, MSG_PEEK | MSG_DONTWAIT) != 1 || first < 'A' || first > 'Z')
        return;
    constexpr std::string_view reply =
        "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    ::send(socket, reply.data(), reply.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    throw Error(ErrorKind::invalid_argument, "plain HTTP on a TLS port");
}

}  // namespace

struct TlsServer::Context {
    explicit Context(const Material& material);
    ~Context() { ::SSL_CTX_free(ssl); }
    SSL_CTX* ssl = ::SSL_CTX_new(::TLS_server_method());
};

TlsServer::Context::Context(const Material& material) {
    const auto bio = [](const std::string& text) {
        return ::BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
    };
    const auto fail = [&](std::string_view what) {
        ::SSL_CTX_free(ssl);
        ssl = nullptr;
        throw Error(ErrorKind::invalid_argument, "{}: {}", what, openssl_error());
    };
    ::SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
    ::SSL_CTX_set_alpn_select_cb(ssl, choose_http_1, nullptr);
    ::SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
    ::SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);

    BIO* text = bio(material.certificate);
    bool is_first = true, is_good = true;
    while (X509* certificate = ::PEM_read_bio_X509(text, nullptr, nullptr, nullptr)) {
        is_good =
            is_good && (is_first ? ::SSL_CTX_use_certificate(ssl, certificate)
                                 : static_cast<int>(::SSL_CTX_add1_chain_cert(ssl, certificate)));
        ::X509_free(certificate);
        is_first = false;
    }
    ::BIO_free(text);
    ::ERR_clear_error();
    if (is_first || !is_good) fail("the TLS certificate is unusable");
    text = bio(material.key);
    EVP_PKEY* key = ::PEM_read_bio_PrivateKey(text, nullptr, nullptr, nullptr);
    ::BIO_free(text);
    const bool fits =
        key && ::SSL_CTX_use_PrivateKey(ssl, key) == 1 && ::SSL_CTX_check_private_key(ssl) == 1;
    ::EVP_PKEY_free(key);
    if (!fits) fail("the TLS key is unusable or does not fit the certificate");
    if (material.client_authority.empty()) return;
    text = bio(material.client_authority);
    int authorities = 0;
    while (X509* authority = ::PEM_read_bio_X509(text, nullptr, nullptr, nullptr)) {
        ::X509_STORE_add_cert(::SSL_CTX_get_cert_store(ssl), authority);
        ::SSL_CTX_add_client_CA(ssl, authority);
        ::X509_free(authority);
        authorities++;
    }
    ::BIO_free(text);
    ::ERR_clear_error();
    if (authorities == 0) fail("the clients' authority is no certificate");
    ::SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
}

TlsServer::TlsServer(const Material& material) : context_(std::make_shared<Context>(material)) {}
TlsServer::~TlsServer() = default;

void TlsServer::reload(const Material& material) {
    auto fresh = std::make_shared<Context>(material);
    auto current = context_.lock();
    *current = std::move(fresh);
}

Fd TlsServer::wrap(int raw) {
    refuse_plain_http(raw);
    std::shared_ptr<Context> context;
    {
        auto current = context_.lock();
        context = *current;
    }
    Fd socket = sys::dup(raw);
    ::fcntl(socket.get(), F_SETFL, O_NONBLOCK);
    Ssl ssl(::SSL_new(context->ssl));
    if (!ssl || ::SSL_set_fd(ssl.get(), socket.get()) != 1)
        throw Error(ErrorKind::internal, "starting TLS: {}", openssl_error());
    const std::int64_t deadline = monotonic_ns() + handshake_ms * 1'000'000LL;
    for (;;) {
        const int result = ::SSL_accept(ssl.get());
        if (result == 1) break;
        const short events = wanted_events(ssl.get(), result);
        if (events == 0)
            throw Error(ErrorKind::invalid_argument, "TLS handshake: {}", openssl_error());
        const std::int64_t left_ms = (deadline - monotonic_ns()) / 1'000'000;
        if (left_ms <= 0 || !sys::poll_one(socket.get(), events, static_cast<int>(left_ms)))
            throw Error(ErrorKind::unavailable, "the TLS handshake took too long");
    }
    sys::SocketPair pair = sys::socketpair(SOCK_STREAM);
    start_pump(std::make_unique<Pump>(std::move(socket), std::move(pair.first), std::move(ssl)));
    return std::move(pair.second);
}

}  // namespace hull::registry
