#pragma once
#include "base/fd.hh"
#include "base/file.hh"
#include "http/headers.hh"

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace hull::http {

struct ClientRequest {
    std::string method = "GET";
    std::string target;  ///< path and query, escaped
    Headers headers;
    std::string body;
    /// When set, sent chunked instead of `body`: fills the buffer, returns 0 at the end.
    std::function<std::size_t(std::span<std::byte>)> body_source;
};

/// A reply whose body is read as it arrives. Give it up early and the connection is closed.
class ClientResponse {
public:
    ClientResponse(ClientResponse&&) noexcept;
    ClientResponse& operator=(ClientResponse&&) noexcept;
    ~ClientResponse();

    int status = 0;
    Headers headers;

    /// Next bytes of the body, 0 at its end. Blocks. Throws unavailable when the server breaks off.
    std::size_t read(std::span<std::byte> buffer);
    std::string read_all(std::size_t max_bytes = 64UL << 20);
    /// The next line without its newline; false at the end.
    bool read_line(std::string& line);
    /// The connection's descriptor, to poll next to others. Bytes may already be buffered:
    /// see has_buffered().
    int fd() const;
    bool has_buffered() const;

private:
    friend class PendingResponse;
    struct Impl;
    explicit ClientResponse(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// A request that was sent and whose reply has not come: so that one thread can have many of them.
class PendingResponse {
public:
    PendingResponse(PendingResponse&&) noexcept;
    PendingResponse& operator=(PendingResponse&&) noexcept;
    ~PendingResponse();

    /// Readable once the reply begins to come.
    int fd() const;
    /// Blocks until the reply's header is there. Throws unavailable when the server breaks off.
    /// At most one call.
    ClientResponse receive();

private:
    friend class Client;
    struct Impl;
    explicit PendingResponse(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// An upgraded connection: raw bytes both ways. shutdown(fd, SHUT_WR) half-closes it.
struct Upgraded {
    int status = 0;  ///< 101 or 200
    Headers headers;
    Fd fd;  ///< the next byte read is the first one after the reply's header
};

/// Makes one more connection to the server.
using Connector = std::function<Fd()>;

/// HTTP/1.1 over one stream socket; keeps an idle connection for the next request.
/// One request at a time per object; use one object per thread.
class Client {
public:
    explicit Client(Path socket_path);
    explicit Client(Connector connector);
    Client(Client&&) noexcept;
    ~Client();

    /// Throws unavailable when nobody listens.
    ClientResponse request(const ClientRequest& request);
    /// Only sends it. A later request of this object uses another connection.
    PendingResponse start(const ClientRequest& request);
    /// Asks for `Upgrade: tcp`. When the server replies with neither 101 nor 200 `refusal` gets the
    /// reply's body and `fd` stays empty.
    Upgraded upgrade(const ClientRequest& request, std::string& refusal);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace hull::http
