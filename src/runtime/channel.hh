#pragma once
#include "base/fd.hh"
#include "runtime/container.hh"

#include <optional>
#include <string>

namespace hull::runtime {

/// What the runtime and the init it cloned tell each other.
enum class MessageType : unsigned char {
    id_maps_written,   ///< to init
    cgroup_made,       ///< to init: it can be joined, its limits are set
    run_hooks,         ///< to the runtime: prestart and createRuntime are due
    hooks_done,        ///< to init
    terminal,          ///< to the runtime: the master side is attached
    seccomp_listener,  ///< to the runtime: the listener; `text` is PATH of the agent, NUL, JSON
    warning,           ///< to the runtime: `text` for the log
    ready,             ///< to the runtime: everything is set up, waiting for start
    start,             ///< to init
    executing,  ///< to the runtime: the next thing is execve; end of stream then means success
    failed,     ///< to the runtime: `text`, `error_kind`, `exit_code`; init exits
};

struct Message {
    MessageType type = MessageType::failed;
    ErrorKind error_kind = ErrorKind::internal;
    int exit_code = 0;
    std::string text;
    Fd fd;
};

/// One end of a SEQPACKET socket pair; one message per packet.
class Channel {
public:
    Channel() = default;
    explicit Channel(Fd socket) : socket_(std::move(socket)) {}

    /// `fd` of the message is not sent. Uses plain write(2) without a descriptor: the seccomp
    /// filter of the container is already loaded when the last message goes out.
    void send(const Message& message) const;
    void send(MessageType type) const { send(Message{.type = type, .text = {}, .fd = {}}); }
    /// The runtime's side: an init that has ended is no error here, since why it ended is in the
    /// channel, to be received.
    void tell(MessageType type) const;
    void send_fd(MessageType type, int fd, std::string text = "") const;
    /// nullopt at end of stream. Throws when nothing comes within `timeout_ms` (< 0: waits
    /// forever).
    std::optional<Message> receive(int timeout_ms = -1) const;
    int fd() const { return socket_.get(); }
    void close() { socket_.reset(); }

private:
    Fd socket_;
};

/// The error a `failed` message carries.
[[noreturn]] void throw_failure(const Message& message);

}  // namespace hull::runtime
