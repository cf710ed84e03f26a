#include "base/error.hh"
#include "shim/stdio.hh"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>

namespace hull::shim {

namespace {

/// Beyond this much unsent output the container has to wait for the client.
constexpr std::size_t max_queue_bytes = 64 << 10;

/// Docker's frame: stream, three zeroes, big-endian length.
std::array<char, 8> frame_header(int stream, std::size_t length) {
    const auto byte = [length](int shift) { return static_cast<char>(length >> shift); };
    return {static_cast<char>(stream), 0, 0, 0, byte(24), byte(16), byte(8), byte(0)};
}

/// Bytes sent; 0 when the socket is full, -1 when the peer is gone.
ssize_t try_send(int socket, std::string_view first, std::string_view second) {
    iovec parts[] = {{const_cast<char*>(first.data()), first.size()},
                     {const_cast<char*>(second.data()), second.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    for (;;) {
        const ssize_t sent = ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) return sent;
        if (errno == EINTR) continue;
        return errno == EAGAIN || errno == ENOBUFS ? 0 : -1;
    }
}

}  // namespace

Client::Client(Stdio& stdio, Fd socket, AttachOptions options)
    : stdio_(stdio),
      socket_(std::move(socket)),
      options_(std::move(options)),
      detach_keys_(options_.detach_keys) {
    input_ended_ = !options_.use_stdin;
    update_events();
}

Client::~Client() {
    if (is_watched_) stdio_.loop_.unwatch(socket_.get());
    ::shutdown(socket_.get(), SHUT_RDWR);
    // A unix socket closed with unread input resets the peer, which then loses what it has not
    // read yet.
    char discarded[4096];
    while (::recv(socket_.get(), discarded, sizeof discarded, MSG_DONTWAIT) > 0) {
    }
}

bool Client::wants(int stream) const {
    if (is_gone_ || is_ending_ || is_hung_up_) return false;
    return stream == 2 ? options_.use_stderr : options_.use_stdout;
}

void Client::send(int stream, std::string_view bytes) {
    const auto header = frame_header(stream, bytes.size());
    std::string_view first(header.data(), options_.multiplexed ? header.size() : 0);
    if (queue_.empty()) {
        const ssize_t sent = try_send(socket_.get(), first, bytes);
        if (sent < 0) return lose();
        auto left = static_cast<std::size_t>(sent);
        const std::size_t of_first = left < first.size() ? left : first.size();
        first.remove_prefix(of_first);
        bytes.remove_prefix(left - of_first);
    }
    if (first.empty() && bytes.empty()) return;
    queue_.append(first).append(bytes);
    update_events();
}

void Client::end() {
    is_ending_ = true;
    update_events();
}

bool Client::is_full() const { return !is_gone_ && queue_.size() - sent_ > max_queue_bytes; }

std::uint32_t Client::wanted_events() const {
    std::uint32_t events = 0;
    if (!input_ended_ && !is_ending_ && !stdio_.input_is_busy()) events |= EPOLLIN;
    if (!queue_.empty() && !is_hung_up_) events |= EPOLLOUT;
    return events;
}

void Client::update_events() {
    if (is_gone_) return;
    const std::uint32_t events = wanted_events();
    // epoll reports a hang-up whether asked or not: a client that left input behind waits outside.
    const bool watch = !is_hung_up_ || events != 0;
    if (watch && !is_watched_)
        stdio_.loop_.watch(socket_.get(), events, *this);
    else if (watch && events != events_)
        stdio_.loop_.change(socket_.get(), events, *this);
    else if (!watch && is_watched_)
        stdio_.loop_.unwatch(socket_.get());
    is_watched_ = watch;
    events_ = events;
}

void Client::on_ready(std::uint32_t events) {
    if (events & EPOLLERR) lose();
    if (!is_gone_ && (events & EPOLLHUP)) {
        is_hung_up_ = true;
        queue_.clear();
        sent_ = 0;
        if (input_ended_ || is_ending_) lose();
    }
    if (!is_gone_ && (events & EPOLLOUT)) flush();
    if (!is_gone_ && (events & EPOLLIN)) read_input();
    update_events();
    stdio_.settle();  // may destroy us
}

void Client::read_input() {
    char bytes[16 << 10];
    const ssize_t count = ::recv(socket_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) {
        input_ended_ = true;
        stdio_.write_input(detach_keys_.take_held());
        stdio_.on_client_input_end(*this);
        if (is_hung_up_ || count < 0) lose();
        return;
    }
    const std::string_view input(bytes, static_cast<std::size_t>(count));
    if (!stdio_.is_terminal()) return stdio_.write_input(input);
    std::string passed;
    const bool detached = detach_keys_.filter(input, passed);
    stdio_.write_input(passed);
    if (detached) {
        input_ended_ = true;
        end();
        if (stdio_.options_.on_detach) stdio_.options_.on_detach();
    }
}

void Client::flush() {
    const ssize_t sent = try_send(socket_.get(), std::string_view(queue_).substr(sent_), {});
    if (sent < 0) return lose();
    sent_ += static_cast<std::size_t>(sent);
    if (sent_ < queue_.size()) return;
    queue_ = std::string();
    sent_ = 0;
}

}  // namespace hull::shim
