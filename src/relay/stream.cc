#include "relay/stream.hh"

#include "base/error.hh"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include <cerrno>
#include <vector>

namespace hull::relay {

namespace {

constexpr std::size_t buffer_size = 256 << 10;
constexpr int most_rounds = 16;  ///< before others have their turn

/// What has arrived and goes on at once; of all streams, which take turns.
std::vector<char>& buffer() {
    static std::vector<char> shared(buffer_size);
    return shared;
}

void set_up(int socket, std::uint8_t protocol) {
    const int on = 1;
    // A container that ends without a word, and a client that is gone, are noticed some day.
    ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    if (protocol == IPPROTO_TCP) ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/// The peer sees a reset, not an end.
void close_by_force(Fd socket) {
    constexpr linger now{1, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

}  // namespace

Stream::Stream(Loop& loop, Fd client, const Target& target, std::function<void()> done)
    : loop_(loop), client_(std::move(client)), done_(std::move(done)) {
    const int kernel_protocol = target.protocol == IPPROTO_TCP ? 0 : target.protocol;
    target_ = Fd(::socket(target.address.is_v6() ? AF_INET6 : AF_INET,
                          SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, kernel_protocol));
    if (!target_) throw_errno(errno, "socket");
    set_up(client_.get(), target.protocol);
    set_up(target_.get(), target.protocol);
    const SocketAddress address = SocketAddress::of(target.address, target.port);
    if (::connect(target_.get(), address.get(), address.size) != 0 && errno != EINPROGRESS) {
        const int error = errno;
        close_by_force(std::move(client_));
        throw_errno(error, "connect");
    }
    constexpr std::uint32_t everything = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    client_watch_ = loop_.watch(client_.get(), everything, [this](std::uint32_t) { carry(); });
    target_watch_ = loop_.watch(target_.get(), everything, [this](std::uint32_t events) {
        check_connected(events);
        carry();
    });
}

Stream::~Stream() {
    if (client_watch_) loop_.forget(client_watch_, client_.get());
    if (target_watch_) loop_.forget(target_watch_, target_.get());
}

void Stream::check_connected(std::uint32_t events) {
    if (!is_connected_ && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) is_connected_ = true;
}

Stream::Outcome Stream::carry(int from, int to, Direction& direction) {
    for (int round = 0; round < most_rounds; ++round) {
        if (!direction.rest.empty()) {
            const ssize_t sent =
                ::send(to, direction.rest.data(), direction.rest.size(), MSG_NOSIGNAL);
            if (sent < 0 && errno == EINTR) continue;
            if (sent < 0) return errno == EAGAIN ? Outcome::waits : Outcome::broken;
            direction.rest.erase(0, static_cast<std::size_t>(sent));
            continue;
        }
        if (direction.ended) return Outcome::ended;
        const ssize_t count = ::recv(from, buffer().data(), buffer().size(), 0);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return errno == EAGAIN ? Outcome::waits : Outcome::broken;
        if (count == 0) {
            ::shutdown(to, SHUT_WR);
            direction.ended = true;
            return Outcome::ended;
        }
        ssize_t sent = ::send(to, buffer().data(), static_cast<std::size_t>(count), MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) return Outcome::broken;
        if (sent < 0) sent = 0;
        if (sent < count) direction.rest.assign(buffer().data() + sent, buffer().data() + count);
    }
    return Outcome::busy;
}

void Stream::carry() {
    if (!is_connected_) return;
    const Outcome up = carry(client_.get(), target_.get(), to_target_);
    const Outcome down = carry(target_.get(), client_.get(), to_client_);
    if (up == Outcome::broken || down == Outcome::broken) return finish(true);
    if (up == Outcome::ended && down == Outcome::ended) return finish(false);
    if (up == Outcome::busy || down == Outcome::busy) loop_.again(client_watch_);
}

void Stream::finish(bool is_broken) {
    loop_.forget(client_watch_, client_.get());
    loop_.forget(target_watch_, target_.get());
    client_watch_ = target_watch_ = 0;
    if (is_broken) {
        close_by_force(std::move(client_));
        close_by_force(std::move(target_));
    }
    const std::function<void()> done = std::move(done_);
    done();
}

}  // namespace hull::relay
