#pragma once
#include "http/headers.hh"
#include "registry/client/connection.hh"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hull::registry_client {

struct Request {
    std::string method = "GET";
    Url url;
    http::Headers headers;
    std::string body;
    /// Instead of `body`: exactly that many bytes, pulled piece by piece.
    struct Source {
        std::uint64_t size = 0;
        std::function<std::string_view()> next;
    };
    std::optional<Source> source;
};

class HttpClient;

/// A reply whose body is read as it comes. Give it up early and its connection is closed.
class Response {
public:
    Response(Response&&) noexcept;
    Response& operator=(Response&&) noexcept;
    ~Response();

    int status = 0;
    http::Headers headers;
    Url url;  ///< who replied, after redirects

    /// Of the body, when the header says it.
    std::optional<std::uint64_t> content_length() const;
    /// 0 at the end; throws unavailable when the server breaks off or falls silent.
    std::size_t read(std::span<std::byte> buffer);
    /// Throws invalid_argument beyond `max_bytes`.
    std::string read_text(std::size_t max_bytes);

private:
    friend class HttpClient;
    struct Impl;
    explicit Response(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// HTTP/1.1 to many servers, with connections kept for the next request. Thread-safe.
class HttpClient {
public:
    explicit HttpClient(Network network);
    ~HttpClient();

    /// One request, one reply; follows nothing. Throws unavailable, with `Get "URL": ` in front as
    /// Docker's users know it.
    Response send(const Request& request, const TlsMaterial& material);
    /// Follows up to 10 redirects of GET and HEAD. Authorization stays with the origin it was
    /// meant for, and https does not become http unless `material` trusts everybody.
    Response follow(Request request, const TlsMaterial& material);
    const Network& network() const { return network_; }

private:
    friend class Response;
    struct Wire;
    using Key = std::pair<std::string, const TlsMaterial*>;
    std::unique_ptr<Wire> take(const Key& key);
    void give_back(const Key& key, std::unique_ptr<Wire> wire);
    Response exchange(std::unique_ptr<Wire> wire, const Request& request, const Key& key);

    Network network_;
    std::mutex mutex_;
    std::map<Key, std::vector<std::unique_ptr<Wire>>> idle_;
};

/// `Get "http://…"`: how Go names a request in its errors.
std::string describe_request(const std::string& method, const Url& url);

}  // namespace hull::registry_client
