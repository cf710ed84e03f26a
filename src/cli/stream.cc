#include "cli/stream.hh"

#include "base/error.hh"
#include "base/sys.hh"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

namespace hull::cli {
namespace {

/// Takes the bytes of a connection apart into pieces for our descriptors.
class Demultiplexer {
public:
    Demultiplexer(bool multiplexed, int output, int errors)
        : multiplexed_(multiplexed), output_(output), errors_(errors) {}

    /// Hands over new bytes; the former ones must be used up.
    void feed(std::string_view bytes) { bytes_ = bytes; }
    bool empty() const { return bytes_.empty(); }

    struct Piece {
        int fd;
        std::string_view bytes;
    };
    /// The next piece that belongs to one descriptor; empty when more input is needed.
    Piece next() {
        if (!multiplexed_) return {output_, bytes_};
        while (left_ == 0) {
            const std::size_t wanted = header_.size() - header_size_;
            const std::size_t count = std::min(wanted, bytes_.size());
            std::memcpy(header_.data() + header_size_, bytes_.data(), count);
            header_size_ += count;
            bytes_.remove_prefix(count);
            if (header_size_ < header_.size()) return {-1, {}};
            header_size_ = 0;
            left_ = static_cast<std::size_t>(header_[4]) << 24 |
                    static_cast<std::size_t>(header_[5]) << 16 |
                    static_cast<std::size_t>(header_[6]) << 8 | header_[7];
            if (header_[0] > 3)
                throw Error(ErrorKind::data_loss, "Unrecognized input header: {}", header_[0]);
        }
        return {header_[0] == 2 || header_[0] == 3 ? errors_ : output_,
                bytes_.substr(0, std::min(left_, bytes_.size()))};
    }
    void consume(std::size_t count) {
        bytes_.remove_prefix(count);
        if (multiplexed_) left_ -= count;
    }

private:
    bool multiplexed_;
    int output_, errors_;
    std::string_view bytes_;
    std::array<unsigned char, 8> header_ = {};
    std::size_t header_size_ = 0, left_ = 0;
};

enum class Written { all, blocked, broken };

/// Writes without blocking where the kernel can promise that (pipes), so that signals are served
/// while a slow reader takes its time. Files and terminals are written to in the plain way.
Written write_some(int fd, std::string_view bytes, std::size_t& count) {
    struct iovec part = {const_cast<char*>(bytes.data()), bytes.size()};
    for (;;) {
        ssize_t result = ::pwritev2(fd, &part, 1, -1, RWF_NOWAIT);
        if (result < 0 && errno == EOPNOTSUPP) result = ::write(fd, bytes.data(), bytes.size());
        if (result >= 0) {
            count = static_cast<std::size_t>(result);
            return count == bytes.size() ? Written::all : Written::blocked;
        }
        count = 0;
        if (errno == EINTR) continue;
        if (errno == EAGAIN) return Written::blocked;
        if (errno == EPIPE || errno == EIO || errno == EBADF) return Written::broken;
        throw_errno(errno, "writing the output");
    }
}

/// Ignores SIGPIPE while it lives: a reader that leaves is an ordinary end for us.
class IgnoreBrokenPipes {
public:
    IgnoreBrokenPipes() {
        struct sigaction ignore = {};
        ignore.sa_handler = SIG_IGN;
        ::sigaction(SIGPIPE, &ignore, &previous_);
    }
    ~IgnoreBrokenPipes() { ::sigaction(SIGPIPE, &previous_, nullptr); }

private:
    struct sigaction previous_;
};

constexpr std::size_t buffer_size = 64 << 10;

}  // namespace

SignalQueue::SignalQueue(bool proxy) {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGWINCH);
    if (proxy) {
        // Not SIGPIPE (ours), SIGCHLD, SIGURG; not those of crashes; and SIGTTIN, SIGTTOU belong
        // to our own job control.
        for (int signal_number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM,
                                  SIGTSTP, SIGCONT, SIGVTALRM, SIGPROF, SIGIO, SIGPWR})
            ::sigaddset(&set, signal_number);
        for (int signal_number = SIGRTMIN; signal_number <= SIGRTMAX; ++signal_number)
            ::sigaddset(&set, signal_number);
    }
    ::sigprocmask(SIG_BLOCK, &set, &previous_);
    fd_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd_) throw_errno(errno, "signalfd");
}

SignalQueue::~SignalQueue() { ::sigprocmask(SIG_SETMASK, &previous_, nullptr); }

int SignalQueue::take() {
    struct signalfd_siginfo info = {};
    if (::read(fd_.get(), &info, sizeof info) != sizeof info) return 0;
    return static_cast<int>(info.ssi_signo);
}

StreamEnd stream(client::Connection& connection, const StreamPlan& plan) {
    const IgnoreBrokenPipes ignore_broken_pipes;
    const int socket = connection.fd.get();
    Demultiplexer demultiplexer(connection.multiplexed, plan.output, plan.errors);
    DetachFilter detach(
        plan.terminal && is_terminal(STDIN_FILENO)
            ? parse_detach_keys(plan.detach_keys.empty() ? "ctrl-p,ctrl-q" : plan.detach_keys)
            : std::string());
    std::vector<char> received(buffer_size), typed(buffer_size);
    std::string to_send;  // typed, not yet taken by the socket
    std::size_t sent = 0;
    bool reading_stdin = plan.use_stdin, half_closed = false, output_open = true;
    bool ended = false;  // the process, as the wait request tells
    int blocked_fd = -1;

    const auto flush_input = [&] {
        while (sent < to_send.size()) {
            const ssize_t count = ::send(socket, to_send.data() + sent, to_send.size() - sent,
                                         MSG_DONTWAIT | MSG_NOSIGNAL);
            if (count < 0) {
                if (errno == EINTR) continue;
                if (errno == EAGAIN) return;
                to_send.clear();  // the process takes no more input; its output still counts
                sent = 0;
                reading_stdin = false;
                half_closed = true;
                return;
            }
            sent += static_cast<std::size_t>(count);
        }
        to_send.clear();
        sent = 0;
        if (plan.use_stdin && !reading_stdin && !half_closed) {
            ::shutdown(socket, SHUT_WR);
            half_closed = true;
        }
    };
    // False when nobody reads our output any more.
    const auto flush_output = [&] {
        blocked_fd = -1;
        for (;;) {
            const Demultiplexer::Piece piece = demultiplexer.next();
            if (piece.bytes.empty()) return true;
            std::size_t count = piece.bytes.size();
            Written written = Written::all;
            if (piece.fd >= 0) written = write_some(piece.fd, piece.bytes, count);
            if (plan.on_output) plan.on_output(piece.bytes.substr(0, count));
            if (written == Written::broken) return false;
            demultiplexer.consume(count);
            if (written == Written::blocked) {
                blocked_fd = piece.fd;
                return true;
            }
        }
    };

    for (;;) {
        // Without output the connection only carries input: the wait request tells the end.
        const bool input_done = !plan.use_stdin || half_closed;
        if (blocked_fd < 0 && !output_open && (!plan.wait || ended)) return StreamEnd::finished;
        if (!plan.has_output && (plan.wait ? ended : input_done)) return StreamEnd::finished;

        std::array<pollfd, 5> fds;
        std::size_t count = 0;
        const auto watch = [&](int fd, short events) {
            fds[count] = {fd, events, 0};
            return count++;
        };
        constexpr std::size_t none = 99;
        std::size_t at_socket = none, at_stdin = none, at_signals = none, at_wait = none,
                    at_output = none;
        const short socket_events = static_cast<short>(
            (output_open && blocked_fd < 0 ? POLLIN : 0) | (sent < to_send.size() ? POLLOUT : 0));
        if (socket_events) at_socket = watch(socket, socket_events);
        if (reading_stdin && to_send.empty()) at_stdin = watch(STDIN_FILENO, POLLIN);
        if (plan.signals) at_signals = watch(plan.signals->fd(), POLLIN);
        if (plan.wait && !ended) at_wait = watch(plan.wait->fd(), POLLIN);
        if (blocked_fd >= 0) at_output = watch(blocked_fd, POLLOUT);
        const bool wait_is_here = at_wait != none && plan.wait->has_buffered();
        if (::poll(fds.data(), count, wait_is_here ? 0 : -1) < 0) {
            if (errno == EINTR) continue;
            throw_errno(errno, "poll");
        }
        const auto ready = [&](std::size_t at) { return at != none && fds[at].revents != 0; };

        if (ready(at_signals)) {
            bool resized = false;
            while (const int signal_number = plan.signals->take()) {
                if (signal_number == SIGWINCH)
                    resized = true;  // a storm of them is one resize
                else if (plan.on_signal)
                    plan.on_signal(signal_number);
            }
            if (resized && plan.on_resize) plan.on_resize();
        }
        if (wait_is_here || ready(at_wait)) {
            ended = true;
            reading_stdin = false;
        }
        if (ready(at_output) && !flush_output()) return StreamEnd::broken;
        if (ready(at_socket)) {
            if (sent < to_send.size()) flush_input();
            if (output_open && blocked_fd < 0) {
                const ssize_t got = ::recv(socket, received.data(), received.size(), MSG_DONTWAIT);
                if (got > 0) {
                    demultiplexer.feed({received.data(), static_cast<std::size_t>(got)});
                    if (!flush_output()) return StreamEnd::broken;
                } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
                    output_open = false;
                    reading_stdin = false;
                }
            }
        }
        if (ready(at_stdin)) {
            const ssize_t got = ::read(STDIN_FILENO, typed.data(), typed.size());
            if (got > 0) {
                DetachFilter::Result result =
                    detach.filter({typed.data(), static_cast<std::size_t>(got)});
                to_send = std::move(result.forward);
                sent = 0;
                flush_input();
                if (result.detached) return StreamEnd::detached;
            } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
                reading_stdin = false;
                flush_input();
            }
        }
    }
}

StreamEnd copy_body(http::ClientResponse& response, bool multiplexed) {
    const IgnoreBrokenPipes ignore_broken_pipes;
    Demultiplexer demultiplexer(multiplexed, STDOUT_FILENO, STDERR_FILENO);
    std::vector<std::byte> buffer(buffer_size);
    while (const std::size_t got = response.read(buffer)) {
        demultiplexer.feed({reinterpret_cast<const char*>(buffer.data()), got});
        for (;;) {
            const Demultiplexer::Piece piece = demultiplexer.next();
            if (piece.bytes.empty()) break;
            std::size_t count = 0;
            const Written written = write_some(piece.fd, piece.bytes, count);
            if (written == Written::broken) return StreamEnd::broken;
            demultiplexer.consume(count);
            if (written == Written::blocked) sys::poll_one(piece.fd, POLLOUT, -1);
        }
    }
    return StreamEnd::finished;
}

}  // namespace hull::cli
