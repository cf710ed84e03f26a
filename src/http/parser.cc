#include "http/parser.hh"

#include "base/error.hh"
#include "base/sys.hh"

#include <poll.h>
#include <sys/socket.h>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <variant>

namespace hull::http {

namespace beast = boost::beast;
using beast::error_code;

namespace {

/// Receives Beast's callbacks for both kinds of message.
template <bool is_request>
class Callbacks final : public beast::http::basic_parser<is_request> {
public:
    explicit Callbacks(Parser& owner) : owner_(owner) {}
    std::string* body = nullptr;

private:
    void on_request_impl(beast::http::verb, beast::string_view method, beast::string_view target,
                         int version, error_code&) override {
        owner_.method.assign(method.data(), method.size());
        owner_.target.assign(target.data(), target.size());
        owner_.version = version;
    }
    void on_response_impl(int code, beast::string_view, int version, error_code&) override {
        owner_.status = code;
        owner_.version = version;
    }
    void on_field_impl(beast::http::field, beast::string_view name, beast::string_view value,
                       error_code&) override {
        owner_.headers.add({name.data(), name.size()}, {value.data(), value.size()});
    }
    void on_header_impl(error_code&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(beast::string_view bytes, error_code&) override {
        body->append(bytes.data(), bytes.size());
        return bytes.size();
    }
    void on_chunk_header_impl(std::uint64_t, beast::string_view, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view bytes, error_code&) override {
        body->append(bytes.data(), bytes.size());
        return bytes.size();
    }
    void on_finish_impl(error_code&) override {}

    Parser& owner_;
};

}  // namespace

struct Parser::Beast {
    std::variant<std::monostate, Callbacks<true>, Callbacks<false>> parser;
    bool inside_chunk_header = false;

    template <typename Body>
    decltype(auto) with(Body&& body) {
        if (auto* request = std::get_if<Callbacks<true>>(&parser)) return body(*request);
        return body(std::get<Callbacks<false>>(parser));
    }
};

Parser::Parser(Role role, std::size_t header_limit) : beast_(std::make_unique<Beast>()) {
    if (role == Role::request)
        beast_->parser.emplace<Callbacks<true>>(*this);
    else
        beast_->parser.emplace<Callbacks<false>>(*this);
    beast_->with([&](auto& parser) {
        parser.header_limit(static_cast<std::uint32_t>(header_limit));
        // Not boost::none: Boost 1.74 compares a Content-Length with the empty optional, and any
        // number is more than that.
        parser.body_limit(UINT64_MAX);
    });
}

Parser::~Parser() = default;

Parser::Result Parser::put(std::string_view bytes, std::string& body) {
    // Beast 1.74 asserts that the last chunk's header, once begun, comes back with 5 bytes or more.
    // Whatever the chunk, less than that cannot complete anything.
    if (beast_->inside_chunk_header && bytes.size() < 5)
        return Result{.consumed = 0, .needs_more = true};
    return beast_->with([&](auto& parser) {
        parser.body = &body;
        const bool in_body = parser.is_header_done();
        parser.eager(in_body);
        error_code error;
        const std::size_t consumed =
            parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
        beast_->inside_chunk_header =
            in_body && parser.chunked() && error == beast::http::error::need_more;
        if (error == beast::http::error::need_more)
            return Result{.consumed = consumed, .needs_more = true};
        if (error == beast::http::error::header_limit)
            throw Error(ErrorKind::invalid_argument, "request header fields too large");
        if (error)
            throw Error(ErrorKind::invalid_argument, "malformed HTTP message: {}", error.message());
        return Result{.consumed = consumed, .needs_more = false};
    });
}

void Parser::put_end_of_input() {
    beast_->with([](auto& parser) {
        error_code error;
        parser.put_eof(error);
        if (error)
            throw Error(ErrorKind::unavailable, "connection closed in the middle of a message");
    });
}

void Parser::expect_no_body() {
    beast_->with([](auto& parser) { parser.skip(true); });
}

bool Parser::header_done() const {
    return beast_->with([](const auto& parser) { return parser.is_header_done(); });
}
bool Parser::done() const {
    return beast_->with([](const auto& parser) { return parser.is_done(); });
}
bool Parser::started() const {
    return beast_->with([](const auto& parser) { return parser.got_some(); });
}
bool Parser::keep_alive() const {
    return beast_->with([](const auto& parser) { return parser.keep_alive(); });
}
bool Parser::chunked() const {
    return beast_->with([](const auto& parser) { return parser.chunked(); });
}
std::optional<std::uint64_t> Parser::content_length() const {
    return beast_->with([](const auto& parser) -> std::optional<std::uint64_t> {
        const boost::optional<std::uint64_t> length = parser.content_length();
        if (!length) return std::nullopt;
        return *length;
    });
}

std::uint64_t Parser::body_left() const {
    return beast_->with([](const auto& parser) -> std::uint64_t {
        if (!parser.is_header_done() || parser.chunked() || parser.is_done()) return 0;
        const boost::optional<std::uint64_t> left = parser.content_length_remaining();
        return left ? *left : 0;
    });
}

namespace {

constexpr std::size_t exact_read_bytes = 8192, bulk_read_bytes = 128 << 10;
/// Of a chunk's header or the fields behind the last chunk.
constexpr std::size_t max_chunk_header_bytes = 16 << 10;

/// Blocks as long as it takes when `timeout_ms` is negative.
std::size_t receive(int fd, char* buffer, std::size_t size, int flags, int timeout_ms) {
    const int waiting = timeout_ms < 0 ? 0 : MSG_DONTWAIT;
    for (;;) {
        const ssize_t count = ::recv(fd, buffer, size, flags | waiting);
        if (count >= 0) return static_cast<std::size_t>(count);
        if (errno == EINTR) continue;
        if (errno == ECONNRESET) return 0;
        if (errno == EAGAIN && waiting) {
            if (sys::poll_one(fd, POLLIN, timeout_ms)) continue;
            throw Error(ErrorKind::unavailable, "nothing came from the peer for {} s",
                        timeout_ms / 1000)
                .with_errno(ETIMEDOUT);
        }
        throw_errno(errno, "receiving from the peer");
    }
}

}  // namespace

MessageReader::MessageReader(int fd, Parser::Role role, std::size_t header_limit)
    : fd_(fd), role_(role), header_limit_(header_limit) {}

void MessageReader::drain(std::size_t count) {
    while (count > 0) {
        const std::size_t taken =
            receive(fd_, scratch_.data(), std::min(count, scratch_.size()), 0, -1);
        if (taken == 0) return;
        count -= taken;
    }
}

bool MessageReader::feed() {
    // What is left of a body of known length can be taken without a look at what follows.
    const std::uint64_t known_rest = exact_ && pending_.empty() ? parser_->body_left() : 0;
    const bool peeks = exact_ && known_rest == 0;
    scratch_.resize(peeks             ? exact_read_bytes
                    : known_rest == 0 ? bulk_read_bytes
                                      : std::min<std::uint64_t>(known_rest, bulk_read_bytes));
    const bool has_begun = parser_->started() || !pending_.empty();
    const int timeout_ms = !has_begun ? idle_ms_ : exact_ ? silence_ms_ : bulk_silence_ms_;
    const std::size_t received =
        receive(fd_, scratch_.data(), scratch_.size(), peeks ? MSG_PEEK : 0, timeout_ms);
    if (received == 0) return false;

    const std::size_t old = pending_.size();
    const std::string_view fresh(scratch_.data(), received);
    if (old > 0) pending_ += fresh;
    const std::string_view input = old > 0 ? std::string_view(pending_) : fresh;
    const Parser::Result result = parser_->put(input, body_);
    if (peeks && !result.needs_more && result.consumed >= old) {
        pending_.clear();
        drain(result.consumed - old);
        return true;
    }
    std::string rest(input.substr(result.consumed));
    if (parser_->header_done() && result.needs_more && rest.size() > max_chunk_header_bytes)
        throw Error(ErrorKind::invalid_argument, "a chunk's header is larger than {} bytes",
                    max_chunk_header_bytes);
    if (peeks) drain(received);
    pending_ = std::move(rest);
    return true;
}

bool MessageReader::read_header(bool no_body) {
    parser_ = std::make_unique<Parser>(role_, header_limit_);
    if (no_body) parser_->expect_no_body();
    body_.clear();
    body_at_ = 0;
    exact_ = true;
    if (!pending_.empty()) {
        const Parser::Result result = parser_->put(pending_, body_);
        pending_.erase(0, result.consumed);
    }
    while (!parser_->header_done()) {
        if (feed()) continue;
        if (!parser_->started() && pending_.empty()) return false;
        throw Error(ErrorKind::unavailable, "connection closed in the middle of a message");
    }
    return true;
}

std::string_view MessageReader::read_body_piece() {
    if (!has_buffered_body()) {
        body_.clear();
        body_at_ = 0;
        while (body_.empty() && !parser_->done()) {
            if (!pending_.empty()) {
                const Parser::Result result = parser_->put(pending_, body_);
                pending_.erase(0, result.consumed);
                if (!result.needs_more) continue;
            }
            if (!body_.empty()) break;
            if (!feed()) parser_->put_end_of_input();
        }
    }
    const std::string_view piece = std::string_view(body_).substr(body_at_);
    body_at_ = body_.size();
    return piece;
}

std::size_t MessageReader::read_body(std::span<std::byte> buffer) {
    if (buffer.empty()) return 0;
    const std::string_view piece = read_body_piece();
    const std::size_t count = std::min(piece.size(), buffer.size());
    std::memcpy(buffer.data(), piece.data(), count);
    body_at_ -= piece.size() - count;
    return count;
}

}  // namespace hull::http
