#pragma once
#include "base/error.hh"
#include "base/fd.hh"
#include "oci/runtime_spec.hh"

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// Messages between daemon and shim: one SOCK_SEQPACKET message each, JSON, descriptors by
/// SCM_RIGHTS. Two kinds of connection carry them:
///  - fd 3 at launch: Attach messages and one Start from the daemon, then events from the shim;
///  - shim.sock: one request and its Reply per connection; after Subscribe it carries events.
namespace hull::shim {

/// A client of the container's (or an exec's) stdio. Its socket travels beside the message.
struct AttachOptions {
    bool use_stdin = false, use_stdout = false, use_stderr = false;
    bool multiplexed = true;  ///< Docker's 8-byte frames; false: raw bytes (terminal)
    std::string detach_keys;  ///< decoded bytes; "" is ctrl-p ctrl-q
};

struct ExitRecord {
    int code = 0;  ///< Docker's: 128 + signal included
    bool oom_killed = false;
    std::int64_t exited_at_ns = 0;
    std::string reason;  ///< "signal 9", "host crashed"; empty after a normal exit
    std::uint64_t memory_limit = 0, memory_peak = 0;  ///< bytes, when memory ran out
};

struct StartResult {
    pid_t pid = 0;
    unsigned long long start_time = 0;
    std::string error;  ///< not empty: failed, and exit_code is 125..127
    int exit_code = 0;
};

struct ExecRequest {
    std::string exec_id;
    oci::Process process;
    bool terminal = false, open_stdin = false;
    unsigned short rows = 0, columns = 0;
    bool privileged = false;
};

namespace request {
struct Attach {
    AttachOptions options;
};
/// Beside it travel the mounts of the layers, in the plan's order, where the daemon shares them.
struct Start {};
struct Subscribe {};
struct Signal {
    std::string exec_id;  ///< "" is init
    int number = 0;
};
struct Resize {
    std::string exec_id;  ///< "" is init
    unsigned short rows = 0, columns = 0;
};
struct Exec {
    ExecRequest exec;
    std::optional<AttachOptions> client;
};
/// On an event connection: ExecExited was dealt with. The shim ends the exec's clients only then,
/// so that a client which sees the end of the stream can ask the daemon for the exit code.
struct Acknowledge {
    std::string exec_id;
};
}  // namespace request
using Request = std::variant<request::Attach, request::Start, request::Subscribe, request::Signal,
                             request::Resize, request::Exec, request::Acknowledge>;

/// Answer to a request on shim.sock.
struct Reply {
    std::optional<ErrorKind> error_kind;  ///< set: the request failed with `error`
    std::string error;
    StartResult started;  ///< of Exec; of Subscribe: pid and start time of init
};

namespace event {
struct Started {
    StartResult result;
};
struct Exited {
    ExitRecord record;
};
struct ExecExited {
    std::string exec_id;
    int code = 0;
};
struct OutOfMemory {};
/// A client typed the detach keys.
struct Detached {
    std::string exec_id;  ///< "" is init
};
}  // namespace event
using Event = std::variant<event::Started, event::Exited, event::ExecExited, event::OutOfMemory,
                           event::Detached>;

// The parse_* functions throw invalid_argument.
std::string dump(const Request& request);
Request parse_request(std::string_view text);
std::string dump(const Reply& reply);
Reply parse_reply(std::string_view text);
std::string dump(const Event& event);
Event parse_event(std::string_view text);
std::string dump(const ExitRecord& record);
ExitRecord parse_exit_record(std::string_view text);

struct Message {
    std::string text;  ///< empty: the peer is gone
    std::vector<Fd> fds;
};
/// Sends `text` with at most 7 descriptors. A text too large for one packet travels in a memfd.
void send_message(int socket, std::string_view text, const std::vector<int>& fds = {});
/// Waits for one message.
Message receive_message(int socket);

}  // namespace hull::shim
