#pragma once
#include "http/headers.hh"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hull::http {

/// Parses one HTTP/1 message from bytes as they come. Boost.Beast's parser is behind it.
class Parser {
public:
    enum class Role { request, response };
    Parser(Role role, std::size_t header_limit);
    ~Parser();

    struct Result {
        std::size_t consumed = 0;
        bool needs_more = false;  ///< the unconsumed rest must come again, with more behind it
    };
    /// Parses up to the end of the header, on later calls up to the end of the message. Decoded
    /// body bytes are appended to `body`. Throws invalid_argument for malformed input.
    Result put(std::string_view bytes, std::string& body);
    /// The peer closed: ends a body without a length. Throws unavailable inside a message.
    void put_end_of_input();
    /// The reply to HEAD has no body whatever its header says. Before the header's end.
    void expect_no_body();

    bool header_done() const;
    bool done() const;
    /// Whether a byte of the message was seen.
    bool started() const;
    bool keep_alive() const;
    bool chunked() const;
    std::optional<std::uint64_t> content_length() const;
    /// Bytes of a body of known length that have not been put yet; 0 before and after, or when the
    /// length is not known.
    std::uint64_t body_left() const;

    std::string method, target;
    int status = 0;
    int version = 11;  ///< 10 or 11
    Headers headers;

private:
    struct Beast;
    std::unique_ptr<Beast> beast_;
};

/// Reads messages from a socket, one after the other.
class MessageReader {
public:
    MessageReader(int fd, Parser::Role role, std::size_t header_limit);

    /// Starts the next message. False when the peer closed before its first byte.
    bool read_header(bool no_body = false);
    Parser& message() { return *parser_; }

    /// Whether a byte of the message has come.
    bool begun() const { return parser_->started() || !pending_.empty(); }

    /// The next piece of the decoded body, empty at its end; valid until the next call.
    std::string_view read_body_piece();
    std::size_t read_body(std::span<std::byte> buffer);
    /// By default no byte behind the message is taken from the socket (it is peeked first), so
    /// that the connection can be given away. Bulk mode reads in big pieces instead.
    void set_bulk() { exact_ = false; }
    /// Bounds the silence inside a header and inside a body that is not read in bulk; a peer that
    /// has not begun its message may be silent for ever. Beyond it reading throws unavailable with
    /// error_number() ETIMEDOUT.
    void set_silence_limit(int timeout_ms) { silence_ms_ = timeout_ms; }
    /// The same before the message's first byte, and inside a body that is read in bulk.
    void set_idle_limit(int timeout_ms) { idle_ms_ = timeout_ms; }
    void set_bulk_silence_limit(int timeout_ms) { bulk_silence_ms_ = timeout_ms; }
    bool has_buffered_body() const { return body_at_ < body_.size(); }
    bool body_done() const { return parser_->done() && !has_buffered_body(); }
    /// Bytes behind the message that are no longer in the socket; only after bulk mode.
    bool read_ahead() const { return !pending_.empty(); }

private:
    bool feed();
    void drain(std::size_t count);

    int fd_;
    Parser::Role role_;
    std::size_t header_limit_;
    std::unique_ptr<Parser> parser_;
    std::string pending_;  ///< taken from the socket, not yet consumed by the parser
    std::string scratch_;
    std::string body_;
    std::size_t body_at_ = 0;
    bool exact_ = true;
    int silence_ms_ = -1, idle_ms_ = -1, bulk_silence_ms_ = -1;  ///< -1: no limit
};

}  // namespace hull::http
