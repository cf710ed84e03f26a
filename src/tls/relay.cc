#include "tls/relay.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "tls/context.hh"

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

namespace hull::tls {

namespace {

constexpr std::size_t buffer_bytes = 32 << 10;

/// Bytes on their way in one direction.
struct Buffer {
    std::array<char, buffer_bytes> bytes;
    std::size_t begin = 0, end = 0;
    bool empty() const { return begin == end; }
};

/// One side of a relay: non-blocking reads and writes.
class Side {
public:
    enum class Result { done, blocked, ended, gone };
    virtual ~Side() = default;
    virtual Result read(Buffer& buffer) = 0;
    virtual Result write(Buffer& buffer) = 0;
    virtual void end_writing() = 0;
    /// Whether the end of what it sends says nothing about the connection itself.
    virtual bool ends_apart() const { return false; }
    /// What to poll for when it was blocked.
    virtual short events(bool wants_read, bool wants_write) const {
        return static_cast<short>((wants_read ? POLLIN : 0) | (wants_write ? POLLOUT : 0));
    }
};

class Plain final : public Side {
public:
    explicit Plain(int fd) : fd_(fd) {}

    Result read(Buffer& buffer) override {
        const ssize_t count = ::recv(fd_, buffer.bytes.data(), buffer.bytes.size(), MSG_DONTWAIT);
        if (count > 0) {
            buffer.begin = 0;
            buffer.end = static_cast<std::size_t>(count);
            return Result::done;
        }
        if (count == 0) return Result::ended;
        return errno == EAGAIN || errno == EINTR ? Result::blocked : Result::gone;
    }
    Result write(Buffer& buffer) override {
        const ssize_t count = ::send(fd_, buffer.bytes.data() + buffer.begin,
                                     buffer.end - buffer.begin, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0) return errno == EAGAIN || errno == EINTR ? Result::blocked : Result::gone;
        buffer.begin += static_cast<std::size_t>(count);
        return Result::done;
    }
    void end_writing() override { ::shutdown(fd_, SHUT_WR); }

private:
    int fd_;
};

class Secure final : public Side {
public:
    explicit Secure(SSL* ssl) : ssl_(ssl) {}

    Result read(Buffer& buffer) override {
        std::size_t count = 0;
        const int result = SSL_read_ex(ssl_, buffer.bytes.data(), buffer.bytes.size(), &count);
        if (result == 1) {
            buffer.begin = 0;
            buffer.end = count;
            return Result::done;
        }
        return judge(result, read_wants_);
    }
    Result write(Buffer& buffer) override {
        std::size_t count = 0;
        const int result = SSL_write_ex(ssl_, buffer.bytes.data() + buffer.begin,
                                        buffer.end - buffer.begin, &count);
        if (result == 1) {
            buffer.begin += count;
            return Result::done;
        }
        return judge(result, write_wants_);
    }
    void end_writing() override { SSL_shutdown(ssl_); }
    bool ends_apart() const override { return true; }
    const std::string& problem() const { return problem_; }
    short events(bool wants_read, bool wants_write) const override {
        return static_cast<short>((wants_read ? read_wants_ : 0) |
                                  (wants_write ? write_wants_ : 0));
    }

private:
    Result judge(int result, short& wants) {
        const int error = SSL_get_error(ssl_, result);
        if (error == SSL_ERROR_ZERO_RETURN) return Result::ended;
        if (error == SSL_ERROR_WANT_READ) wants = POLLIN;
        if (error == SSL_ERROR_WANT_WRITE) wants = POLLOUT;
        if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return Result::blocked;
        problem_ = last_error();
        return Result::gone;
    }

    SSL* ssl_;
    std::string problem_;
    short read_wants_ = POLLIN, write_wants_ = POLLOUT;
};

/// One direction: from one side to the other.
struct Direction {
    Side& from;
    Side& to;
    Buffer buffer;
    bool ended = false;  ///< nothing more is read
    bool blocked_read = false, blocked_write = false;

    /// False when one side is gone.
    bool move() {
        blocked_read = blocked_write = false;
        for (;;) {
            if (!buffer.empty()) {
                const Side::Result result = to.write(buffer);
                if (result == Side::Result::gone) return false;
                blocked_write = result == Side::Result::blocked;
                if (blocked_write) return true;
                continue;
            }
            if (ended) return true;
            switch (from.read(buffer)) {
                case Side::Result::gone: return false;
                case Side::Result::blocked: blocked_read = true; return true;
                case Side::Result::ended:
                    ended = true;
                    to.end_writing();
                    return true;
                case Side::Result::done: break;
            }
        }
    }
    bool is_finished() const { return ended && buffer.empty(); }
};

/// `socket` is the one to the outside.
void carry(Side& outside, int socket, Side& inside, int plain) {
    Direction in{outside, inside, {}, false, false, false};
    Direction out{inside, outside, {}, false, false, false};
    for (;;) {
        if (!in.move() || !out.move()) return;
        if (in.is_finished() && out.is_finished()) return;
        // A peer that has ended its sending and closes its connection too is gone for good.
        const short hang_up = in.is_finished() && outside.ends_apart() ? POLLRDHUP : 0;
        pollfd polled[] = {
            {socket,
             static_cast<short>(outside.events(in.blocked_read, out.blocked_write) | hang_up), 0},
            {plain, inside.events(out.blocked_read, in.blocked_write), 0}};
        if (::poll(polled, 2, -1) < 0 && errno != EINTR) return;
        if (hang_up && (polled[0].revents & POLLRDHUP)) return;
        if (polled[0].revents & (POLLHUP | POLLERR | POLLNVAL)) return;
        // Nobody is left to read: what the peer still sends goes nowhere.
        if (out.is_finished() && (polled[1].revents & POLLHUP)) return linger(socket);
    }
}

}  // namespace

void SslDelete::operator()(SSL* ssl) const { SSL_free(ssl); }

void linger(int socket) {
    ::shutdown(socket, SHUT_WR);
    std::array<char, 4096> sink;
    const std::int64_t deadline = monotonic_ns() + 2'000'000'000;
    while (monotonic_ns() < deadline) {
        const ssize_t count = ::recv(socket, sink.data(), sink.size(), MSG_DONTWAIT);
        if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) return;
        if (count < 0) sys::poll_one(socket, POLLIN, 100);
    }
}

void shake_hands(SSL* ssl, int socket, int timeout_ms) {
    const std::int64_t deadline = monotonic_ns() + std::int64_t{timeout_ms} * 1'000'000;
    for (;;) {
        const int result = SSL_do_handshake(ssl);
        if (result == 1) return;
        const int error = SSL_get_error(ssl, result);
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
            const long verdict = SSL_get_verify_result(ssl);
            if (verdict != X509_V_OK)
                throw Error(ErrorKind::unavailable, "tls: failed to verify certificate: {}",
                            X509_verify_cert_error_string(verdict));
            throw Error(ErrorKind::unavailable, "tls: {}",
                        error == SSL_ERROR_SYSCALL ? "the connection was closed" : last_error());
        }
        const std::int64_t left = (deadline - monotonic_ns()) / 1'000'000;
        pollfd polled{socket, static_cast<short>(error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT),
                      0};
        if (left <= 0 || ::poll(&polled, 1, static_cast<int>(left)) == 0)
            throw Error(ErrorKind::unavailable, "tls: handshake timed out");
    }
}

std::string relay(SSL* ssl, int socket, int plain) {
    Secure outside(ssl);
    Plain inside(plain);
    carry(outside, socket, inside, plain);
    return outside.problem();
}

void relay_plain(int socket, int plain) {
    Plain outside(socket), inside(plain);
    carry(outside, socket, inside, plain);
}

}  // namespace hull::tls
