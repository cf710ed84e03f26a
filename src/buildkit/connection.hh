#pragma once
#include "base/error.hh"
#include "base/fd.hh"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hull::buildkit {

/// How a call ended. Source: grpc.github.io/grpc/core/md_doc_statuscodes.html.
enum class StatusCode {
    ok = 0,
    cancelled = 1,
    unknown = 2,
    invalid_argument = 3,
    not_found = 5,
    already_exists = 6,
    permission_denied = 7,
    unimplemented = 12,
    internal = 13,
    unavailable = 14,
    unauthenticated = 16,
};
StatusCode code_of(ErrorKind kind);
ErrorKind kind_of(StatusCode code);

struct CallStatus {
    StatusCode code = StatusCode::ok;
    std::string message;
    std::string details;  ///< a google.rpc.Status; "" for none
};

/// Header fields of a call, names in lower case.
using Metadata = std::multimap<std::string, std::string>;

/// One gRPC call: messages both ways on one HTTP/2 stream. One thread may read while another
/// writes. Given up early it is reset.
class Call {
public:
    struct Stream;  ///< connection_state.hh has them
    struct Shared;
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    const std::string& path() const;
    /// The first field of that name, "" for none.
    std::string metadata(const std::string& name) const;
    std::vector<std::string> all_metadata(const std::string& name) const;

    /// The next message of the other side; false at their end. Throws cancelled when the call is
    /// broken off, and for our own calls what the other side has refused.
    bool read(std::string& message);
    /// Waits while much is not sent yet. Throws cancelled when the call is broken off.
    void write(std::string_view message);
    /// Ours: there are no more messages. Theirs: the end of the call, once.
    void finish(const CallStatus& status = {});
    /// Until the other side breaks it off.
    void wait_for_cancel();
    /// Called once when the other side breaks the call off; at once when it has.
    void on_cancel(std::function<void()> action);

private:
    friend class Connection;
    friend class ConnectionLoop;
    Call(std::shared_ptr<Shared> shared, std::shared_ptr<Stream> stream);
    std::shared_ptr<Shared> shared_;
    std::shared_ptr<Stream> stream_;
};

/// An HTTP/2 connection without TLS, driven by a thread of its own, from either side.
class Connection {
public:
    using Handler = std::function<void(Call&)>;

    /// Serves: `handler` runs in a thread for each call; what it throws ends the call.
    static std::shared_ptr<Connection> serve(Fd socket, Handler handler);
    /// The side that calls.
    static std::shared_ptr<Connection> call_over(Fd socket);
    /// Breaks it off.
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    std::unique_ptr<Call> start(const std::string& path, const Metadata& metadata = {});
    /// One message there and one back.
    std::string ask(const std::string& path, std::string_view request,
                    const Metadata& metadata = {});
    /// Waits until the other side is gone.
    void wait();
    /// Called once when the other side is gone.
    void on_end(std::function<void()> action);

private:
    explicit Connection(std::shared_ptr<Call::Shared> shared) : shared_(std::move(shared)) {}
    std::shared_ptr<Call::Shared> shared_;
};

}  // namespace hull::buildkit
