#include "http/server.hh"

#include "base/error.hh"
#include "base/locked.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "http/await_reader.hh"
#include "http/parser.hh"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

namespace hull::http {

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t stack_bytes = 2 << 20;
#else
constexpr std::size_t stack_bytes = 256 << 10;
#endif

/// From so many connections on, memory is given back when most of them are gone.
constexpr std::size_t crowd = 64;

/// Runs `body` on a detached thread with a small stack. Throws unavailable when there is none.
void start_thread(std::function<void()> body) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_bytes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    auto owned = std::make_unique<std::function<void()>>(std::move(body));
    pthread_t thread;
    const int error = ::pthread_create(
        &thread, &attributes,
        [](void* argument) -> void* {
            const std::unique_ptr<std::function<void()>> run(
                static_cast<std::function<void()>*>(argument));
            // A write to a closed pipe or socket is an error here, never a signal.
            sigset_t pipe_signal;
            sigemptyset(&pipe_signal);
            sigaddset(&pipe_signal, SIGPIPE);
            ::pthread_sigmask(SIG_BLOCK, &pipe_signal, nullptr);
            (*run)();
            return nullptr;
        },
        owned.get());
    pthread_attr_destroy(&attributes);
    if (error != 0) throw Error(ErrorKind::unavailable, "starting a thread failed");
    (void)owned.release();
}

/// Gives back what the calling thread's stack has taken: the C library keeps stacks of ended
/// threads as they are, 40 MB of them. Not worth a call but after a crowd.
void release_stack() {
    pthread_attr_t attributes;
    if (::pthread_getattr_np(::pthread_self(), &attributes) != 0) return;
    void* lowest = nullptr;
    std::size_t size = 0;
    ::pthread_attr_getstack(&attributes, &lowest, &size);
    ::pthread_attr_destroy(&attributes);
    // Below this frame nothing is in use; a page is left for the calls to come.
    constexpr std::uintptr_t page = 4096;
    const auto begin = reinterpret_cast<std::uintptr_t>(lowest);
    const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    const std::uintptr_t end = (here & ~(page - 1)) - page;
    if (here > begin && end > begin && here < begin + size)
        ::madvise(lowest, end - begin, MADV_DONTNEED);
}

/// Writes all parts in as few calls as possible. Throws cancelled when the peer is gone.
void send_parts(int fd, std::span<const std::string_view> parts, int flags = 0) {
    std::array<iovec, 4> vectors;
    std::size_t count = 0;
    for (const std::string_view part : parts)
        if (!part.empty()) vectors[count++] = {const_cast<char*>(part.data()), part.size()};
    std::size_t first = 0;
    while (first < count) {
        msghdr message{};
        message.msg_iov = &vectors[first];
        message.msg_iovlen = count - first;
        const ssize_t sent = ::sendmsg(fd, &message, MSG_NOSIGNAL | flags);
        if (sent < 0) {
            if (errno == EINTR) continue;
            throw Error(ErrorKind::cancelled, "the client {}",
                        errno == EAGAIN ? "takes no more" : "is gone");
        }
        auto left = static_cast<std::size_t>(sent);
        while (first < count && left >= vectors[first].iov_len) left -= vectors[first++].iov_len;
        if (first < count) {
            vectors[first].iov_base = static_cast<char*>(vectors[first].iov_base) + left;
            vectors[first].iov_len -= left;
        }
    }
}

std::string http_date() {
    std::array<char, 64> text;
    const time_t now = ::time(nullptr);
    struct tm parts;
    ::gmtime_r(&now, &parts);
    return {text.data(), ::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

std::string format_header(int status, const Headers& own, const Headers& common) {
    std::string text = fmt::format("HTTP/1.1 {} {}\r\n", status, status_text(status));
    for (const auto& [name, value] : common)
        if (!own.find(name)) text += name + ": " + value + "\r\n";
    for (const auto& [name, value] : own) text += name + ": " + value + "\r\n";
    return text;
}

void send_range(int socket, const FileRange& range) {
    auto offset = static_cast<off_t>(range.offset);
    std::uint64_t left = range.size;
    while (left > 0) {
        const ssize_t sent =
            ::sendfile(socket, range.file, &offset, std::min<std::uint64_t>(left, 1 << 30));
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) throw Error(ErrorKind::cancelled, "the client is gone");
        if (sent == 0) throw Error(ErrorKind::data_loss, "the file ends before its size");
        left -= static_cast<std::uint64_t>(sent);
    }
}

/// ADDRESS:PORT of the other end of a TCP connection, "" for other sockets.
std::string peer_name(int socket) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (address.ss_family == AF_INET) {
        const auto& ip = reinterpret_cast<const sockaddr_in&>(address);
        ::inet_ntop(AF_INET, &ip.sin_addr, text.data(), text.size());
        return fmt::format("{}:{}", text.data(), ntohs(ip.sin_port));
    }
    if (address.ss_family != AF_INET6) return {};
    const auto& ip = reinterpret_cast<const sockaddr_in6&>(address);
    ::inet_ntop(AF_INET6, &ip.sin6_addr, text.data(), text.size());
    return fmt::format("[{}]:{}", text.data(), ntohs(ip.sin6_port));
}

bool is_unix(int socket) {
    int domain = 0;
    socklen_t size = sizeof domain;
    return ::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

struct Peer {
    std::int64_t uid = -1, pid = -1;
};

Peer peer_of(int socket) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (!is_unix(socket) || ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
        return {};
    return {credentials.uid, credentials.pid};
}

/// Bytes of an unread request body that are still read to keep the connection.
constexpr std::size_t max_discarded_bytes = 256 << 10;

}  // namespace

Response Response::text(int status, std::string body) {
    return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(body)};
}

Response Response::json(const json::Value& value, int status) {
    return {status, {{"Content-Type", "application/json"}}, json::dump(value) + "\n"};
}

std::optional<std::string_view> Exchange::find_parameter(std::string_view name) const {
    for (const auto& [key, value] : query)
        if (key == name) return value;
    return std::nullopt;
}

std::string_view Exchange::parameter(std::string_view name) const {
    return find_parameter(name).value_or("");
}

bool Exchange::flag(std::string_view name, bool fallback) const {
    const std::optional<std::string_view> value = find_parameter(name);
    if (!value) return fallback;
    for (const std::string_view no : {"", "0", "no", "false", "none"})
        if (equal_folded(*value, no)) return false;
    return true;
}

std::string Exchange::read_body_text(std::size_t max_bytes) {
    std::string text;
    std::array<std::byte, 4096> buffer;
    while (const std::size_t count = read_body(buffer)) {
        text.append(reinterpret_cast<const char*>(buffer.data()), count);
        if (text.size() > max_bytes)
            throw Error(ErrorKind::invalid_argument, "request body is larger than {} bytes",
                        max_bytes);
    }
    return text;
}

/// Stop events by token, requested by the accepting thread when epoll sees their client go.
struct Server::State {
    struct Listener {
        Fd socket;
        Path path;
        ino_t inode = 0;
        int door = 0;
        Wrapper wrapper = {};
    };
    struct Connection {
        Fd socket;
        int door = 0;
        std::string peer = {};
        const Wrapper* wrapper = nullptr;  ///< a listener's
        std::atomic<bool> busy = false;
    };
    struct Watches {
        std::map<std::uint64_t, StopEvent*> events;
        std::uint64_t next = first_watch;
        bool stopping = false;
    };
    static constexpr std::uint64_t stop_token = 0, first_watch = 1 << 20;

    State(Handler handler_, Limits limits_)
        : handler(std::move(handler_)), limits(limits_), epoll(::epoll_create1(EPOLL_CLOEXEC)) {
        if (!epoll) throw_errno(errno, "making an epoll descriptor");
    }

    Handler handler;
    Limits limits;
    Fd epoll;
    std::vector<Listener> listeners;
    Locked<Watches> watches;
    Locked<std::set<Connection*>> connections;
    std::size_t most_connections = 0;  ///< since the last trim; guarded by `connections`
    std::condition_variable connection_ended;
    std::atomic<bool> stopping = false;
    LingeringReplies lingering;
    Fd spare{::open("/dev/null", O_RDONLY | O_CLOEXEC)};  ///< to accept one when all are taken

    void accept_one(const Listener& listener);
    void start_connection(Fd socket, int door, const Wrapper& wrapper);
    void refuse(const Fd& socket);
    void prepare(Connection& connection);
    void serve(Connection& connection);
    void add_to_epoll(int fd, std::uint32_t events, std::uint64_t token) const {
        epoll_event event{};
        event.events = events;
        event.data.u64 = token;
        if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0)
            throw_errno(errno, "watching descriptor {}", fd);
    }
};

namespace {

/// The exchange of one request read from a socket.
class SocketExchange final : public Exchange {
public:
    struct Hooks {
        std::function<std::uint64_t(int, StopEvent&)> watch;
        std::function<void(int, std::uint64_t)> unwatch;
        std::function<void(LingeringReplies::Connection, std::unique_ptr<LingeringReply>)> linger;
        std::function<Fd()> take_socket;  ///< the server must not shut it down any more
    };

    SocketExchange(Fd& socket, MessageReader& reader, const Hooks& hooks)
        : socket_(socket), reader_(reader), hooks_(hooks) {
        Parser& message = reader.message();
        method = std::move(message.method);
        target = std::move(message.target);
        headers = std::move(message.headers);
        const std::size_t question = std::min(target.find('?'), target.size());
        path = target.substr(0, question);
        raw_query = target.substr(std::min(question + 1, target.size()));
        awaits_continue_ = message.version >= 11 && headers.has_token("Expect", "100-continue");
        keep_alive_ = message.keep_alive();
        chunked_reply_ = message.version >= 11;
    }
    ~SocketExchange() override { end_helpers(); }

    bool has_body() const override {
        Parser& message = reader_.message();
        return message.chunked() || message.content_length().value_or(0) > 0;
    }

    std::size_t read_body(std::span<std::byte> buffer) override {
        send_continue();
        try {
            return reader_.read_body(buffer);
        } catch (const Error& error) {
            keep_alive_ = false;
            if (error.kind() == ErrorKind::unavailable)
                throw Error(ErrorKind::invalid_argument, "reading the request body: {}",
                            error.message());
            throw;
        }
    }

    std::string_view read_body_piece() override {
        send_continue();
        reader_.set_bulk();
        try {
            return reader_.read_body_piece();
        } catch (const Error& error) {
            keep_alive_ = false;
            throw Error(ErrorKind::invalid_argument, "reading the request body: {}",
                        error.message());
        }
    }

    std::optional<std::uint64_t> body_size() const override {
        return reader_.message().content_length();
    }

    Fd body_fd() override {
        send_continue();
        reader_.set_bulk();
        sys::Pipe pipe = sys::pipe();
        ::fcntl(pipe.write_end.get(), F_SETPIPE_SZ, 1 << 20);  // fewer wake-ups; refusal is fine
        pump_running_.lock()->running = true;
        start_thread([this, out = pipe.write_end.release()] { pump(Fd(out)); });
        return std::move(pipe.read_end);
    }

    void send(Response response) override {
        begin_reply();
        status = response.status;
        const bool bodiless = response.status == 204 || response.status == 304;
        if (!bodiless) response.headers.set("Content-Length", std::to_string(response.body.size()));
        finish_body();
        if (!keep_alive_) response.headers.set("Connection", "close");
        response.headers.set("Date", http_date());
        const std::string header =
            format_header(response.status, response.headers, reply_headers) + "\r\n";
        const bool with_body = !bodiless && method != "HEAD";
        send_parts(socket_.get(),
                   std::array{std::string_view(header),
                              with_body ? std::string_view(response.body) : std::string_view()});
    }

    void send_file(int file_status, Headers file_headers, FileRange body) override {
        begin_reply();
        status = file_status;
        file_headers.set("Content-Length", std::to_string(body.size));
        finish_body();
        if (!keep_alive_) file_headers.set("Connection", "close");
        file_headers.set("Date", http_date());
        const std::string header = format_header(status, file_headers, reply_headers) + "\r\n";
        send_parts(socket_.get(), std::array{std::string_view(header)},
                   method == "HEAD" ? 0 : MSG_MORE);
        if (method != "HEAD") send_range(socket_.get(), body);
    }

    void start_stream(int stream_status, Headers stream_headers) override {
        begin_reply();
        status = stream_status;
        if (chunked_reply_)
            stream_headers.set("Transfer-Encoding", "chunked");
        else
            keep_alive_ = false;
        if (!keep_alive_) stream_headers.set("Connection", "close");
        stream_headers.set("Date", http_date());
        const std::string header = format_header(status, stream_headers, reply_headers) + "\r\n";
        send_parts(socket_.get(), std::array{std::string_view(header)});
        streaming_ = true;
    }

    void write(std::string_view bytes) override {
        if (bytes.empty() || method == "HEAD") return;
        if (!chunked_reply_) return send_parts(socket_.get(), std::array{bytes});
        const std::string size = fmt::format("{:x}\r\n", bytes.size());
        send_parts(socket_.get(),
                   std::array{std::string_view(size), bytes, std::string_view("\r\n")});
    }

    void linger(std::unique_ptr<LingeringReply> reply) override {
        end_helpers();
        hijacked_ = true;
        const bool over_unix = is_unix(socket_.get());
        hooks_.linger({hooks_.take_socket(), chunked_reply_, over_unix}, std::move(reply));
    }

    Fd hijack(const Headers& upgrade_headers) override {
        begin_reply();
        finish_body();
        if (reader_.read_ahead() || !reader_.body_done())
            throw Error(ErrorKind::invalid_argument,
                        "cannot upgrade a connection with unread requests on it");
        end_helpers();
        const bool upgrade = headers.has_token("Connection", "Upgrade");
        status = upgrade ? 101 : 200;
        std::string header;
        if (upgrade) {
            header = format_header(101, upgrade_headers, reply_headers);
            header += "Connection: Upgrade\r\n";
            header += upgrade_headers.find("Upgrade") ? "\r\n" : "Upgrade: tcp\r\n\r\n";
        } else {
            header = format_header(200, upgrade_headers, {}) + "\r\n";
        }
        send_parts(socket_.get(), std::array{std::string_view(header)});
        await_reader(socket_.get());
        hijacked_ = true;
        return hooks_.take_socket();
    }

    bool replied() const override { return replied_; }

    StopEvent& stop_event() override {
        if (!stop_) {
            stop_ = std::make_unique<StopEvent>();
            watch_token_ = hooks_.watch(socket_.get(), *stop_);
        }
        return *stop_;
    }

    void abort() override {
        keep_alive_ = false;
        aborted_ = true;
    }

    /// Ends the reply; false when the connection must not be used again.
    bool finish() {
        if (hijacked_) return false;
        if (!replied_) {
            keep_alive_ = false;
            send(Response::json(json::Object{{"message", "the server did not reply"}}, 500));
        }
        if (streaming_ && chunked_reply_ && !aborted_ && method != "HEAD")
            send_parts(socket_.get(), std::array{std::string_view("0\r\n\r\n")});
        end_helpers();
        return keep_alive_ && !aborted_ && reader_.body_done();
    }

    bool hijacked() const { return hijacked_; }

private:
    struct Pump {
        bool running = false;
    };

    void send_continue() {
        if (!std::exchange(awaits_continue_, false) || reader_.body_done()) return;
        send_parts(socket_.get(), std::array{std::string_view("HTTP/1.1 100 Continue\r\n\r\n")});
    }

    void begin_reply() {
        if (std::exchange(replied_, true))
            throw Error(ErrorKind::internal, "a second reply to one request");
    }

    /// Reads what is left of a small request body; gives the connection up for a large one.
    void finish_body() {
        // While the pump runs the reader is its own, and the client has more to send.
        const bool is_pumped = pump_running_.lock()->running;
        if (is_pumped || awaits_continue_) {
            keep_alive_ = keep_alive_ && !is_pumped && reader_.body_done();
            return;
        }
        try {
            std::size_t discarded = 0;
            while (!reader_.body_done() && discarded <= max_discarded_bytes) {
                const std::size_t size = reader_.read_body_piece().size();
                if (size == 0) break;
                discarded += size;
            }
        } catch (const Error&) {
            keep_alive_ = false;
        }
        if (!reader_.body_done()) keep_alive_ = false;
    }

    void pump(Fd out) {
        try {
            for (;;) {
                const std::string_view piece = reader_.read_body_piece();
                if (piece.empty()) break;
                sys::write_all(out.get(), piece);
            }
        } catch (const std::exception&) {
            // The reader of the pipe has closed it, or the client broke off: both ends see it.
        }
        // Said before `out` closes: whoever has seen the end of the pipe may use the reader. Nor
        // may anything of this object be touched after the lock is let go.
        auto state = pump_running_.lock();
        state->running = false;
        pump_ended_.notify_all();
    }

    void end_helpers() {
        if (watch_token_ != 0 && stop_) hooks_.unwatch(socket_.get(), watch_token_);
        watch_token_ = 0;
        auto state = pump_running_.lock();
        if (!state->running) return;
        // The reply is out, but a client that still sends its body must not run into a closed
        // socket before it reads: a small one comes whole, and the pump ends with the next piece.
        keep_alive_ = false;
        const auto ended = [&] { return !state->running; };
        pump_ended_.wait_for(state.mutex(), std::chrono::milliseconds(500), ended);
        // It may wait for a client that has stopped sending, or one may send for hours: no more.
        ::shutdown(socket_.get(), SHUT_RD);
        pump_ended_.wait(state.mutex(), ended);
    }

    Fd& socket_;
    MessageReader& reader_;
    const Hooks& hooks_;
    Locked<Pump> pump_running_;
    std::condition_variable pump_ended_;
    std::unique_ptr<StopEvent> stop_;
    std::uint64_t watch_token_ = 0;
    bool awaits_continue_ = false, keep_alive_ = true, chunked_reply_ = true;
    bool replied_ = false, streaming_ = false, hijacked_ = false, aborted_ = false;
};

Response error_response(const Error& error) {
    return Response::json(json::Object{{"message", error.message()}}, http_status(error.kind()));
}

/// Answers a header that cannot be understood, is too long or does not come to its end.
void refuse_header(int socket, const Error& error) {
    const bool is_silent = error.error_number() == ETIMEDOUT;
    if (error.kind() != ErrorKind::invalid_argument && !is_silent) return;
    Response response = error_response(error);
    if (is_silent) response.status = 408;
    if (error.message().find("too large") != std::string::npos) response.status = 431;
    response.headers.set("Connection", "close");
    response.headers.set("Content-Length", std::to_string(response.body.size()));
    const std::string header = format_header(response.status, response.headers, {});
    send_parts(socket, std::array{std::string_view(header), std::string_view("\r\n"),
                                  std::string_view(response.body)});
}

/// Replies with an error, or breaks the connection when a reply has begun.
void reply_error(Exchange& exchange, const Error& error) {
    if (exchange.replied()) {
        if (error.kind() != ErrorKind::cancelled)
            log::warning("{} {}: {}", exchange.method, exchange.path, error.message());
        return exchange.abort();
    }
    exchange.send(error_response(error));
}

}  // namespace

void Server::State::prepare(Connection& connection) {
    connection.peer = peer_name(connection.socket.get());
    // A reply's header and body go out in one piece each: nothing is gained by waiting for more.
    const int on = 1;
    if (!connection.peer.empty())
        ::setsockopt(connection.socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (*connection.wrapper) {
        Fd wrapped = (*connection.wrapper)(connection.socket.get());
        auto guard = connections.lock();
        connection.socket = std::move(wrapped);
    }
    if (limits.send_ms < 0) return;
    const timeval timeout{limits.send_ms / 1000, (limits.send_ms % 1000) * 1000};
    ::setsockopt(connection.socket.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
}

void Server::State::serve(Connection& connection) {
    const Peer peer = peer_of(connection.socket.get());  // before it is wrapped by ours
    prepare(connection);
    MessageReader reader(connection.socket.get(), Parser::Role::request, limits.header_bytes);
    reader.set_silence_limit(limits.silence_ms);
    reader.set_idle_limit(limits.idle_ms);
    reader.set_bulk_silence_limit(limits.bulk_silence_ms);
    const SocketExchange::Hooks hooks{.watch =
                                          [this](int fd, StopEvent& event) {
        auto guard = watches.lock();
        const std::uint64_t token = guard->next++;
        if (guard->stopping) {
            event.request();
            return std::uint64_t{0};
        }
        // Only the hang-up, which is reported unasked: a client that has just closed its sending
        // side still waits for its answer, and a unix socket tells the two apart.
        // Over TCP a client that closes is seen as one that ends its sending, and taken for gone.
        add_to_epoll(fd, is_unix(fd) ? EPOLLONESHOT : EPOLLONESHOT | EPOLLRDHUP, token);
        guard->events[token] = &event;
        return token;
                                      },
                                      .unwatch =
                                          [this](int fd, std::uint64_t token) {
        auto guard = watches.lock();
        guard->events.erase(token);
        ::epoll_ctl(epoll.get(), EPOLL_CTL_DEL, fd, nullptr);
                                      },
        .linger =
            [this](LingeringReplies::Connection taken, std::unique_ptr<LingeringReply> reply) {
        lingering.add(std::move(taken), std::move(reply));
        },
        .take_socket = [this, &connection] {
            auto guard = connections.lock();
            return std::move(connection.socket);
        }};
    for (;;) {
        try {
            if (!reader.read_header()) return;
        } catch (const Error& error) {
            if (!reader.begun()) return;  // idle for too long: nothing was asked
            return refuse_header(connection.socket.get(), error);
        }
        connection.busy = true;
        SocketExchange exchange(connection.socket, reader, hooks);
        exchange.peer = connection.peer;
        exchange.door = connection.door;
        exchange.peer_uid = peer.uid;
        exchange.peer_pid = peer.pid;
        try {
            exchange.query = parse_query(exchange.raw_query);
            handler(exchange);
        } catch (const Error& error) {
            reply_error(exchange, error);
        } catch (const std::exception& error) {
            reply_error(exchange, Error(ErrorKind::internal, "{}", error.what()));
        }
        if (!exchange.finish() || stopping) return;
        connection.busy = false;
    }
}

/// Answers a connection that there is no room for, on the accepting thread. What it has asked is
/// read first: it would not see the answer if its request ran into a closed socket.
void Server::State::refuse(const Fd& socket) {
    constexpr int patience_ms = 1000;
    std::array<char, 4096> sink;
    if (sys::poll_one(socket.get(), POLLIN, patience_ms))
        while (::recv(socket.get(), sink.data(), sink.size(), MSG_DONTWAIT) > 0) continue;
    const std::string body =
        json::dump(json::Object{
            {"message",
             fmt::format("too many connections: {} are open, and there is room for no more",
                         connections.lock()->size() + lingering.size())}}) +
        "\n";
    const std::string reply = fmt::format(
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
        "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
        body.size(), body);
    ::send(socket.get(), reply.data(), reply.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Server::State::accept_one(const Listener& listener) {
    Fd socket(::accept4(listener.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) {
        const bool is_full = errno == EMFILE || errno == ENFILE;
        if (!is_full && errno != ENOMEM) return;
        if (is_full && spare) {  // for one answer
            spare.reset();
            socket = Fd(::accept4(listener.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (socket) refuse(socket);
            socket.reset();
            spare = Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        }
        ::poll(nullptr, 0, 20);  // not a busy loop; a connection may end meanwhile
        return;
    }
    if (limits.connections > 0 &&
        connections.lock()->size() + lingering.size() >= limits.connections)
        return refuse(socket);
    start_connection(std::move(socket), listener.door, listener.wrapper);
}

void Server::State::start_connection(Fd socket, int door, const Wrapper& wrapper) {
    if (stopping) return;
    auto owned = std::make_unique<Connection>();
    owned->socket = std::move(socket);
    owned->door = door;
    owned->wrapper = &wrapper;
    Connection* connection = owned.get();
    {
        const auto guard = connections.lock();
        guard->insert(connection);
        most_connections = std::max(most_connections, guard->size());
    }
    try {
        start_thread([this, connection] {
            try {
                serve(*connection);
            } catch (const std::exception& error) {
                log::debug("connection: {}", error.what());
            }
            if (connection->socket) {
                // A client that still sends must be able to read the reply before the reset.
                ::shutdown(connection->socket.get(), SHUT_WR);
                std::array<char, 4096> sink;
                const std::int64_t deadline = monotonic_ns() + 500'000'000;
                while (!stopping && monotonic_ns() < deadline &&
                       sys::poll_one(connection->socket.get(), POLLIN, 100) &&
                       ::recv(connection->socket.get(), sink.data(), sink.size(), MSG_DONTWAIT) > 0)
                    continue;
            }
            bool in_crowd = false, was_crowd = false;
            {
                const std::unique_ptr<Connection> last(connection);
                auto guard = connections.lock();
                guard->erase(connection);
                connection->socket.reset();
                in_crowd = most_connections >= crowd;
                was_crowd = in_crowd && guard->size() * 2 < most_connections;
                if (was_crowd) most_connections = guard->size();
                connection_ended.notify_all();
            }
            // What a crowd took is spread over many pages; malloc keeps them unless it is asked.
            if (was_crowd) ::malloc_trim(0);
            if (in_crowd) release_stack();
        });
        (void)owned.release();
    } catch (const Error& error) {
        log::error("accepting a connection: {}", error.message());
        connections.lock()->erase(connection);
    }
}

Server::Server(Handler handler, Limits limits)
    : state_(std::make_unique<State>(std::move(handler), limits)) {}

Server::~Server() {
    for (const State::Listener& listener : state_->listeners) {
        if (listener.path.empty()) continue;
        const auto status = sys::find_stat(listener.path);
        if (status && status->st_ino == listener.inode) ::unlink(listener.path.c_str());
    }
}

void Server::listen_unix(const Path& path, mode_t mode, std::optional<gid_t> group, int door) {
    if (const auto status = sys::find_stat(path)) {
        if (!S_ISSOCK(status->st_mode))
            throw Error(ErrorKind::conflict, "listening on {}: it exists and is not a socket",
                        path);
        bool alive = false;
        try {
            const Fd probe = sys::connect_unix(path, SOCK_STREAM);
            alive = true;
        } catch (const Error&) {
        }
        if (alive)
            throw Error(ErrorKind::conflict, "listening on {}: another server answers there", path);
        sys::unlink(path);
    }
    Fd socket = sys::listen_unix(path, SOCK_STREAM, mode, 1024);
    if (group && ::chown(path.c_str(), static_cast<uid_t>(-1), *group) != 0)
        throw_errno(errno, "giving {} to group {}", path, *group);
    const auto status = sys::find_stat(path);
    state_->listeners.push_back({std::move(socket), path, status ? status->st_ino : 0, door, {}});
}

void Server::listen(Fd socket, Wrapper wrapper) {
    state_->listeners.push_back({std::move(socket), {}, 0, 0, std::move(wrapper)});
}

void Server::serve(Fd connection, int door) {
    static const Wrapper none;
    state_->start_connection(std::move(connection), door, none);
}

void Server::run(StopEvent& stop, int grace_ms) {
    State& state = *state_;
    state.add_to_epoll(stop.fd(), EPOLLIN, State::stop_token);
    for (std::size_t i = 0; i < state.listeners.size(); i++)
        state.add_to_epoll(state.listeners[i].socket.get(), EPOLLIN, i + 1);

    while (!stop.requested()) {
        std::array<epoll_event, 16> events;
        const int count = ::epoll_wait(state.epoll.get(), events.data(), events.size(), -1);
        for (int i = 0; i < count; i++) {
            const std::uint64_t token = events[static_cast<std::size_t>(i)].data.u64;
            if (token == State::stop_token) continue;
            if (token < State::first_watch) {
                state.accept_one(state.listeners[token - 1]);
                continue;
            }
            auto guard = state.watches.lock();
            const auto found = guard->events.find(token);
            if (found != guard->events.end()) found->second->request();
        }
    }

    state.stopping = true;
    for (State::Listener& listener : state.listeners) listener.socket.reset();
    {
        auto guard = state.watches.lock();
        guard->stopping = true;
        for (const auto& [token, event] : guard->events) event->request();
    }
    state.lingering.stop();
    const auto shut = [&](bool busy_too) {
        auto guard = state.connections.lock();
        for (State::Connection* connection : *guard)
            if (connection->socket && (busy_too || !connection->busy))
                ::shutdown(connection->socket.get(), SHUT_RDWR);
    };
    // An idle connection may become busy just now: it replies, sees `stopping`, and ends.
    shut(false);
    const std::int64_t deadline = monotonic_ns() + std::int64_t{grace_ms} * 1'000'000;
    bool broken = false;
    for (;;) {
        auto guard = state.connections.lock();
        if (guard->empty()) return;
        const std::int64_t left = deadline - monotonic_ns();
        if (left > 0) {
            state.connection_ended.wait_for(guard.mutex(), std::chrono::nanoseconds(left));
            continue;
        }
        // Handlers that sit in a system call keep `state` alive: we may not return before them,
        // so their sockets are broken and they get as long again.
        if (broken) {
            log::warning("{} requests did not end; leaving them", guard->size());
            return;
        }
        broken = true;
        for (State::Connection* connection : *guard)
            if (connection->socket) ::shutdown(connection->socket.get(), SHUT_RDWR);
        state.connection_ended.wait_for(guard.mutex(), std::chrono::milliseconds(grace_ms),
                                        [&] { return guard->empty(); });
    }
}

}  // namespace hull::http
