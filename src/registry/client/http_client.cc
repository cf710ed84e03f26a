#include "registry/client/http_client.hh"

#include "base/error.hh"
#include "base/text.hh"
#include "http/parser.hh"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace hull::registry_client {

namespace {

constexpr std::size_t header_limit = 64UL << 10, buffer_bytes = 128UL << 10;
constexpr int max_redirects = 10;

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace

/// A connection and what was read from it beyond the message before.
struct HttpClient::Wire {
    Wire(const Network& network, const Url& url, const TlsMaterial& material)
        : connection(network, url, material), buffer(buffer_bytes) {}

    Connection connection;
    std::vector<std::byte> buffer;
    std::size_t begin = 0, end = 0;
    bool is_reused = false;

    std::string_view pending() const {
        return {reinterpret_cast<const char*>(buffer.data()) + begin, end - begin};
    }
    /// More bytes behind the pending ones; false at the end of the stream.
    bool fill() {
        if (begin > 0) {
            std::memmove(buffer.data(), buffer.data() + begin, end - begin);
            end -= begin;
            begin = 0;
        }
        if (end == buffer.size()) buffer.resize(2 * buffer.size());
        const std::size_t count = connection.read(std::span(buffer).subspan(end));
        end += count;
        return count > 0;
    }
};

struct Response::Impl {
    HttpClient* client = nullptr;
    HttpClient::Key key;
    std::unique_ptr<HttpClient::Wire> wire;
    std::unique_ptr<http::Parser> parser;
    std::optional<std::uint64_t> length;  ///< of a body that needs no decoding
    std::uint64_t left = 0;
    std::string decoded;
    std::size_t decoded_at = 0;
    bool ended = false;

    void finish() {
        ended = true;
        if (parser->keep_alive() && wire->pending().empty())
            client->give_back(key, std::move(wire));
        wire.reset();
    }

    std::size_t read_counted(std::span<std::byte> into) {
        const std::size_t wanted = std::min<std::uint64_t>(into.size(), left);
        std::size_t count = std::min(wanted, wire->end - wire->begin);
        if (count > 0) {
            std::memcpy(into.data(), wire->buffer.data() + wire->begin, count);
            wire->begin += count;
        } else {
            count = wire->connection.read(into.first(wanted));
        }
        if (count == 0)
            throw Error(ErrorKind::unavailable,
                        "unexpected EOF: the server broke off {} bytes before the end", left)
                .with_errno(ECONNRESET);
        left -= count;
        if (left == 0) finish();
        return count;
    }

    std::size_t read_decoded(std::span<std::byte> into) {
        while (decoded_at == decoded.size()) {
            decoded.clear();
            decoded_at = 0;
            if (parser->done()) {
                finish();
                return 0;
            }
            bool needs_more = wire->pending().empty();
            if (!needs_more) {
                const http::Parser::Result result = parser->put(wire->pending(), decoded);
                wire->begin += result.consumed;
                needs_more = result.needs_more || result.consumed == 0;
            }
            if (!decoded.empty() || parser->done()) continue;
            if (needs_more && !wire->fill()) parser->put_end_of_input();
        }
        const std::size_t count = std::min(into.size(), decoded.size() - decoded_at);
        std::memcpy(into.data(), decoded.data() + decoded_at, count);
        decoded_at += count;
        return count;
    }
};

Response::Response(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Response::Response(Response&&) noexcept = default;
Response& Response::operator=(Response&&) noexcept = default;
Response::~Response() = default;

std::optional<std::uint64_t> Response::content_length() const { return impl_->length; }

std::size_t Response::read(std::span<std::byte> buffer) {
    if (impl_->ended || buffer.empty()) return 0;
    return impl_->length ? impl_->read_counted(buffer) : impl_->read_decoded(buffer);
}

std::string Response::read_text(std::size_t max_bytes) {
    if (impl_->length && *impl_->length > max_bytes && !impl_->ended)
        throw Error(ErrorKind::invalid_argument, "{} bytes are more than the {} allowed",
                    *impl_->length, max_bytes);
    std::string text;
    std::vector<std::byte> buffer(16UL << 10);
    while (const std::size_t count = read(buffer)) {
        text.append(reinterpret_cast<const char*>(buffer.data()), count);
        if (text.size() > max_bytes)
            throw Error(ErrorKind::invalid_argument, "more than the {} bytes allowed", max_bytes);
    }
    return text;
}

HttpClient::HttpClient(Network network) : network_(std::move(network)) {}
HttpClient::~HttpClient() = default;

std::unique_ptr<HttpClient::Wire> HttpClient::take(const Key& key) {
    const std::lock_guard lock(mutex_);
    auto& wires = idle_[key];
    while (!wires.empty()) {
        std::unique_ptr<Wire> wire = std::move(wires.back());
        wires.pop_back();
        if (!wire->connection.is_fresh()) continue;
        wire->is_reused = true;
        return wire;
    }
    return nullptr;
}

void HttpClient::give_back(const Key& key, std::unique_ptr<Wire> wire) {
    const std::lock_guard lock(mutex_);
    idle_[key].push_back(std::move(wire));
}

std::string describe_request(const std::string& method, const Url& url) {
    std::string shown = lower(method);
    shown[0] = method[0];
    // A query may hold what is nobody's business: signatures, account names.
    return fmt::format("{} \"{}\"", shown,
                       url.origin() + url.target.substr(0, url.target.find('?')));
}

Response HttpClient::exchange(std::unique_ptr<Wire> wire, const Request& request, const Key& key) {
    const bool absolute = wire->connection.wants_absolute_target();
    std::string text = request.method + " " + (absolute ? request.url.str() : request.url.target) +
                       " HTTP/1.1\r\nHost: " + request.url.authority() + "\r\n";
    if (absolute)
        if (const Proxy* proxy = network_.proxy_for(request.url);
            proxy && !proxy->authorization.empty())
            text += "Proxy-Authorization: " + proxy->authorization + "\r\n";
    for (const auto& [name, value] : request.headers) text += name + ": " + value + "\r\n";
    const bool has_body = request.source || !request.body.empty() || request.method == "POST" ||
                          request.method == "PUT" || request.method == "PATCH";
    if (has_body)
        text += fmt::format("Content-Length: {}\r\n",
                            request.source ? request.source->size : request.body.size());
    text += "\r\n";
    text += request.body;
    try {
        wire->connection.write(text);
        if (request.source)
            for (std::uint64_t left = request.source->size; left > 0;) {
                const std::string_view piece = request.source->next();
                if (piece.empty())
                    throw Error(ErrorKind::data_loss, "the content to send is cut short");
                wire->connection.write(piece);
                left -= piece.size();
            }
    } catch (const Error& error) {
        // A server that refuses a body hangs up early; its reply may still be readable.
        if (error.error_number() != EPIPE) throw;
    }

    auto impl = std::make_unique<Response::Impl>();
    impl->client = this;
    impl->key = key;
    for (;;) {
        impl->parser = std::make_unique<http::Parser>(http::Parser::Role::response, header_limit);
        if (request.method == "HEAD") impl->parser->expect_no_body();
        while (!impl->parser->header_done()) {
            bool needs_more = wire->pending().empty();
            if (!needs_more) {
                const auto result = impl->parser->put(wire->pending(), impl->decoded);
                wire->begin += result.consumed;
                needs_more = result.needs_more;
            }
            if (impl->parser->header_done() || !needs_more) continue;
            if (wire->pending().size() > header_limit)
                throw Error(ErrorKind::unavailable, "the reply's header is too large");
            if (!wire->fill())
                throw Error(ErrorKind::unavailable, "EOF: the server hung up without a reply")
                    .with_errno(ECONNRESET);
        }
        if (impl->parser->status / 100 != 1) break;
    }
    impl->wire = std::move(wire);
    const http::Parser& parser = *impl->parser;
    const bool no_body = request.method == "HEAD" || parser.status == 204 || parser.status == 304;
    if (no_body || (parser.content_length() && !parser.chunked()))
        impl->length = impl->left = no_body ? 0 : *parser.content_length();
    Response response(std::move(impl));
    response.status = parser.status;
    response.headers = parser.headers;
    response.url = request.url;
    if (response.impl_->length && response.impl_->left == 0) response.impl_->finish();
    return response;
}

Response HttpClient::send(const Request& request, const TlsMaterial& material) {
    const Key key{request.url.origin(), &material};
    try {
        if (std::unique_ptr<Wire> wire = take(key)) {
            try {
                return exchange(std::move(wire), request, key);
            } catch (const Error& error) {
                // The server may close a kept connection at any moment; a body is gone, though.
                if (request.source || error.error_number() != ECONNRESET) throw;
            }
        }
        return exchange(std::make_unique<Wire>(network_, request.url, material), request, key);
    } catch (Error& error) {
        error.add_context(describe_request(request.method, request.url));
        throw;
    }
}

Response HttpClient::follow(Request request, const TlsMaterial& material) {
    for (int redirects = 0;; ++redirects) {
        Response response = send(request, material);
        if (!is_redirect(response.status)) return response;
        const std::string location(response.headers.get("Location"));
        with_context(
            [&] {
            if (redirects == max_redirects)
                throw Error(ErrorKind::unavailable, "stopped after {} redirects", max_redirects);
            if (location.empty())
                throw Error(ErrorKind::unavailable, "a redirect without a Location");
            const Url next = resolve_url(request.url, location);
            if (request.url.is_https() && !next.is_https() && material.verify)
                throw Error(ErrorKind::unavailable, "it redirects from https to {}", next.origin());
            if (!next.same_origin(request.url)) request.headers.erase("Authorization");
            request.url = next;
            },
            "{}", describe_request(request.method, request.url));
    }
}

}  // namespace hull::registry_client
