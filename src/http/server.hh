#pragma once
#include "base/fd.hh"
#include "base/file.hh"
#include "base/json.hh"
#include "base/stop.hh"
#include "http/headers.hh"
#include "http/lingering.hh"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hull::http {

/// A whole reply: status, header fields and a body of known length.
struct Response {
    int status = 200;
    Headers headers;
    std::string body;

    static Response no_content() { return {204, {}, {}}; }
    static Response empty(int status) { return {status, {}, {}}; }
    static Response text(int status, std::string body);
    /// Compact JSON and a newline, as Docker's daemon writes it.
    static Response json(const json::Value& value, int status = 200);
};

struct Limits {
    std::size_t header_bytes = 1UL << 20;
    std::size_t json_body_bytes = 4UL << 20;
    int silence_ms = 60'000;      ///< in the middle of a header or of a JSON body
    int idle_ms = -1;             ///< before the first byte of a request; -1: for ever
    int bulk_silence_ms = -1;     ///< in a body that is read in bulk; -1: for ever
    int send_ms = -1;             ///< without the client taking a byte of a reply; -1: for ever
    std::size_t connections = 0;  ///< one more is answered 503; 0: no limit
};

/// A part of a file that becomes the body of a reply.
struct FileRange {
    int file;
    std::uint64_t offset, size;
};

/// One request and its reply on a connection: read the body, then reply in exactly one way:
/// send, start_stream (and linger) or hijack. Not thread-safe; lives on its connection's thread.
class Exchange {
public:
    virtual ~Exchange() = default;

    std::string method, target;
    std::string path;       ///< of the target, percent escapes still in it
    std::string raw_query;  ///< after the `?`
    Query query;
    Headers headers;
    Headers reply_headers;  ///< put into every reply that does not set them itself
    std::string peer;       ///< ADDRESS:PORT of a TCP client, "" for others
    int door = 0;           ///< of the listener it came by
    int status = 0;         ///< of the reply, once it was begun
    /// Who connected, by SO_PEERCRED; -1 over TCP.
    std::int64_t peer_uid = -1, peer_pid = -1;

    /// First value of a query parameter, "" when missing.
    std::string_view parameter(std::string_view name) const;
    std::optional<std::string_view> find_parameter(std::string_view name) const;
    /// Docker's booleans: "", 0, no, false and none are false, everything else is true.
    bool flag(std::string_view name, bool fallback = false) const;

    /// Next bytes of the request body, 0 at its end. Sends 100 Continue when that is awaited.
    /// Throws invalid_argument when the client ends or falls silent before the body's end.
    virtual std::size_t read_body(std::span<std::byte> buffer) = 0;
    /// The rest of the body. Throws invalid_argument beyond `max_bytes`.
    std::string read_body_text(std::size_t max_bytes = Limits{}.json_body_bytes);
    /// The body's next piece in big reads, empty at its end; valid until the next call. Throws as
    /// read_body does. Bytes behind the body may be taken: not before hijack.
    virtual std::string_view read_body_piece() = 0;
    /// The announced length; nullopt when the body is chunked or there is none.
    virtual std::optional<std::uint64_t> body_size() const = 0;
    /// Whether the request announced a body (a length above 0, or chunked).
    virtual bool has_body() const = 0;
    /// The read end of a pipe that a helper thread fills with the body. Once per request; closing
    /// it ends the helper.
    virtual Fd body_fd() = 0;

    virtual void send(Response response) = 0;
    /// Sends a part of a file without copying it (sendfile(2)).
    virtual void send_file(int status, Headers headers, FileRange body) = 0;
    /// Sends the header at once; every write() is one flushed chunk. The end of the exchange ends
    /// the stream.
    virtual void start_stream(int status, Headers headers) = 0;
    /// Throws cancelled when the client is gone.
    virtual void write(std::string_view bytes) = 0;
    /// Ends the exchange of a stream that goes on: the connection waits for what comes without a
    /// thread of its own. After start_stream; nothing may be done with the exchange after it.
    virtual void linger(std::unique_ptr<LingeringReply> reply) = 0;
    /// Sends `101 UPGRADED` (asked for by `Connection: Upgrade`) or `200 OK` and gives the
    /// connection away: the next byte read from the Fd is the first one after the request.
    virtual Fd hijack(const Headers& headers) = 0;
    /// Whether a reply was begun: a later error can only break the connection.
    virtual bool replied() const = 0;

    /// Requested when the client hangs up or the server stops; a client that closes only its
    /// sending side still waits. First call starts the watching.
    virtual StopEvent& stop_event() = 0;
    /// Closes the connection after this reply without an orderly end of the stream.
    virtual void abort() = 0;
};

/// HTTP/1.1 on stream sockets, one thread (256 KB stack) per connection, but for replies that
/// linger.
class Server {
public:
    /// `handler` replies to each exchange; an Error that leaves it becomes `{"message":…}` with
    /// its status unless a reply was begun.
    using Handler = std::function<void(Exchange&)>;
    explicit Server(Handler handler, Limits limits = {});
    ~Server();

    /// Replaces a dead socket file. Throws conflict when a live server answers there.
    /// `door` is what exchanges over it will have.
    void listen_unix(const Path& path, mode_t mode, std::optional<gid_t> group, int door = 0);
    /// Makes another stream of an accepted connection (TLS), on the connection's own thread: the
    /// descriptor it returns is read and written instead. What it keeps of the socket it must
    /// duplicate. Throws when the connection is not worth serving.
    using Wrapper = std::function<Fd(int socket)>;
    /// Takes a listening socket (TCP, socket activation, tests).
    void listen(Fd socket, Wrapper wrapper = {});
    /// Serves a connection that came another way, in a thread of its own; `door` is what its
    /// exchanges have.
    void serve(Fd connection, int door);
    /// Accepts until `stop` is requested, then ends idle connections, requests every stop_event(),
    /// waits up to `grace_ms` for running handlers, and breaks what is left.
    void run(StopEvent& stop, int grace_ms = 2000);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace hull::http
