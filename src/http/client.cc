#include "http/client.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "http/parser.hh"

#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <vector>

namespace hull::http {

namespace {

constexpr std::size_t header_limit = 1 << 20;

/// False when the peer has closed.
bool send_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EINTR) continue;
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

struct Stream {
    explicit Stream(Fd socket)
        : fd(std::move(socket)), reader(fd.get(), Parser::Role::response, header_limit) {}
    Fd fd;
    MessageReader reader;
};

}  // namespace

struct Client::State {
    Connector connect;
    // Owned by the client and by its unfinished replies: whoever reads a reply to its end gives the
    // connection back here, even when the client is gone.
    std::shared_ptr<std::unique_ptr<Stream>> idle = std::make_shared<std::unique_ptr<Stream>>();

    /// An idle connection that is still open, else a new one.
    std::unique_ptr<Stream> take_connection();
    std::unique_ptr<Stream> send(const ClientRequest& request, bool upgrade);
};

/// `head`: the request was HEAD, whose reply has no body.
static void read_header(Stream& stream, bool head) {
    do {
        if (!stream.reader.read_header(head))
            throw Error(ErrorKind::unavailable, "the server closed the connection without a reply")
                .with_errno(ECONNRESET);
    } while (stream.reader.message().status == 100);
}

struct ClientResponse::Impl {
    std::unique_ptr<Stream> stream;
    std::shared_ptr<std::unique_ptr<Stream>> idle;
    std::string line_buffer;
    std::size_t line_at = 0;
    bool ended = false;

    std::string_view read_piece() {
        if (ended) return {};
        const std::string_view piece = stream->reader.read_body_piece();
        if (piece.empty()) end();
        return piece;
    }
    void end() {
        ended = true;
        if (stream->reader.message().keep_alive()) *idle = std::move(stream);
    }
};

ClientResponse::ClientResponse(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ClientResponse::ClientResponse(ClientResponse&&) noexcept = default;
ClientResponse& ClientResponse::operator=(ClientResponse&&) noexcept = default;
ClientResponse::~ClientResponse() = default;

std::size_t ClientResponse::read(std::span<std::byte> buffer) {
    if (impl_->line_at < impl_->line_buffer.size()) {
        const std::string_view rest = std::string_view(impl_->line_buffer).substr(impl_->line_at);
        const std::size_t count = std::min(rest.size(), buffer.size());
        rest.copy(reinterpret_cast<char*>(buffer.data()), count);
        impl_->line_at += count;
        return count;
    }
    if (impl_->ended) return 0;
    const std::size_t count = impl_->stream->reader.read_body(buffer);
    if (count == 0 && !buffer.empty()) impl_->end();
    return count;
}

std::string ClientResponse::read_all(std::size_t max_bytes) {
    std::string text;
    std::array<std::byte, 4096> buffer;
    while (const std::size_t count = read(buffer)) {
        text.append(reinterpret_cast<const char*>(buffer.data()), count);
        if (text.size() > max_bytes)
            throw Error(ErrorKind::invalid_argument, "reply is larger than {} bytes", max_bytes);
    }
    return text;
}

bool ClientResponse::read_line(std::string& line) {
    std::string& buffer = impl_->line_buffer;
    std::size_t searched = impl_->line_at;
    for (;;) {
        const std::size_t newline = buffer.find('\n', searched);
        if (newline != std::string::npos) {
            line.assign(buffer, impl_->line_at, newline - impl_->line_at);
            impl_->line_at = newline + 1;
            return true;
        }
        buffer.erase(0, std::exchange(impl_->line_at, 0));
        searched = buffer.size();
        const std::string_view piece = impl_->read_piece();
        if (piece.empty()) {
            if (buffer.empty()) return false;
            line = std::exchange(buffer, {});
            return true;
        }
        buffer += piece;
    }
}

int ClientResponse::fd() const { return impl_->stream ? impl_->stream->fd.get() : -1; }

bool ClientResponse::has_buffered() const {
    return impl_->ended || impl_->line_at < impl_->line_buffer.size() ||
           impl_->stream->reader.has_buffered_body() || impl_->stream->reader.body_done();
}

std::unique_ptr<Stream> Client::State::take_connection() {
    if (*idle) {
        std::unique_ptr<Stream> stream = std::move(*idle);
        // Readable means closed: nothing was asked on it.
        if (!sys::poll_one(stream->fd.get(), POLLIN | POLLRDHUP, 0)) return stream;
    }
    try {
        return std::make_unique<Stream>(connect());
    } catch (const Error& error) {
        throw Error(ErrorKind::unavailable, "{}", error.message()).with_errno(error.error_number());
    }
}

std::unique_ptr<Stream> Client::State::send(const ClientRequest& request, bool upgrade) {
    std::unique_ptr<Stream> stream = take_connection();
    std::string text = fmt::format("{} {} HTTP/1.1\r\n", request.method, request.target);
    if (!request.headers.find("Host")) text += "Host: hull\r\n";
    for (const auto& [name, value] : request.headers) text += name + ": " + value + "\r\n";
    if (upgrade) text += "Connection: Upgrade\r\nUpgrade: tcp\r\n";
    if (request.body_source)
        text += "Transfer-Encoding: chunked\r\n";
    else if (!request.body.empty() || request.method == "POST" || request.method == "PUT")
        text += fmt::format("Content-Length: {}\r\n", request.body.size());
    text += "\r\n";
    text += request.body;
    bool open = send_all(stream->fd.get(), text);
    if (request.body_source) {
        std::vector<std::byte> buffer(128 << 10);
        while (open) {
            const std::size_t count = request.body_source(buffer);
            open =
                send_all(stream->fd.get(), fmt::format("{:x}\r\n", count)) &&
                send_all(stream->fd.get(), {reinterpret_cast<const char*>(buffer.data()), count}) &&
                send_all(stream->fd.get(), "\r\n");
            if (count == 0) break;
        }
    }
    // A server that refuses a body closes early; its reply may still be readable.
    return stream;
}

Client::Client(Path socket_path)
    : Client([path = std::move(socket_path)] { return sys::connect_unix(path, SOCK_STREAM); }) {}
Client::Client(Connector connector) : state_(std::make_unique<State>()) {
    state_->connect = std::move(connector);
}
Client::Client(Client&&) noexcept = default;
Client::~Client() = default;

struct PendingResponse::Impl {
    std::unique_ptr<Stream> stream;
    std::shared_ptr<std::unique_ptr<Stream>> idle;
    bool head = false;
};

PendingResponse::PendingResponse(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PendingResponse::PendingResponse(PendingResponse&&) noexcept = default;
PendingResponse& PendingResponse::operator=(PendingResponse&&) noexcept = default;
PendingResponse::~PendingResponse() = default;

int PendingResponse::fd() const { return impl_->stream->fd.get(); }

ClientResponse PendingResponse::receive() {
    auto impl = std::make_unique<ClientResponse::Impl>();
    read_header(*impl_->stream, impl_->head);
    impl->stream = std::move(impl_->stream);
    impl->idle = std::move(impl_->idle);
    Parser& message = impl->stream->reader.message();
    ClientResponse response(std::move(impl));
    response.status = message.status;
    response.headers = std::move(message.headers);
    if (response.impl_->stream->reader.body_done()) response.impl_->end();
    return response;
}

PendingResponse Client::start(const ClientRequest& request) {
    auto impl = std::make_unique<PendingResponse::Impl>();
    impl->stream = state_->send(request, false);
    impl->idle = state_->idle;
    impl->head = request.method == "HEAD";
    return PendingResponse(std::move(impl));
}

ClientResponse Client::request(const ClientRequest& request) {
    // A server may close an idle connection in the moment it is used again. What only reads can
    // be asked once more (RFC 9110, section 9.2.2).
    const bool is_used_again = static_cast<bool>(*state_->idle);
    const bool only_reads =
        (request.method == "GET" || request.method == "HEAD") && !request.body_source;
    try {
        return start(request).receive();
    } catch (const Error& error) {
        if (error.error_number() != ECONNRESET || !is_used_again || !only_reads) throw;
    }
    return start(request).receive();
}

Upgraded Client::upgrade(const ClientRequest& request, std::string& refusal) {
    std::unique_ptr<Stream> stream = state_->send(request, true);
    read_header(*stream, false);
    Parser& message = stream->reader.message();
    Upgraded upgraded{.status = message.status, .headers = std::move(message.headers), .fd = {}};
    if (upgraded.status == 101 || upgraded.status == 200) {
        upgraded.fd = std::move(stream->fd);
        return upgraded;
    }
    for (;;) {
        const std::string_view piece = stream->reader.read_body_piece();
        if (piece.empty()) return upgraded;
        refusal += piece;
    }
}

}  // namespace hull::http
