#include "runtime/channel.hh"

#include "base/sys.hh"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace hull::runtime {
namespace {

constexpr std::size_t max_text = 16 << 10;

std::string encode(const Message& message) {
    std::string bytes;
    bytes += static_cast<char>(message.type);
    bytes += static_cast<char>(message.error_kind);
    bytes += static_cast<char>(message.exit_code);
    bytes += message.text.substr(0, max_text);
    return bytes;
}

}  // namespace

void Channel::send(const Message& message) const {
    std::string bytes = encode(message);
    while (::write(socket_.get(), bytes.data(), bytes.size()) < 0)
        if (errno != EINTR) throw_errno(errno, "talking to the other side");
}

void Channel::tell(MessageType type) const {
    const std::string bytes = encode(Message{.type = type, .text = {}, .fd = {}});
    while (::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) {
        if (errno == EPIPE || errno == ECONNRESET) return;
        if (errno != EINTR) throw_errno(errno, "talking to init");
    }
}

void Channel::send_fd(MessageType type, int fd, std::string text) const {
    std::array<int, 1> fds{fd};
    sys::send_with_fds(socket_.get(),
                       encode(Message{.type = type, .text = std::move(text), .fd = {}}), fds);
}

std::optional<Message> Channel::receive(int timeout_ms) const {
    if (timeout_ms >= 0 && !sys::poll_one(socket_.get(), POLLIN, timeout_ms))
        throw Error(ErrorKind::unavailable, "no answer within {} ms", timeout_ms);
    sys::Received received;
    // A peer that ended with a message of ours unread is reported first, once; what it has said
    // before comes after.
    for (bool was_reset = false;;) {
        try {
            received = sys::receive_with_fds(socket_.get(), max_text + 3);
            break;
        } catch (const Error& error) {
            if (error.error_number() != ECONNRESET) throw;
            if (std::exchange(was_reset, true)) return std::nullopt;
        }
    }
    if (received.bytes.size() < 3) return std::nullopt;
    Message message;
    message.type = static_cast<MessageType>(received.bytes[0]);
    message.error_kind = static_cast<ErrorKind>(received.bytes[1]);
    message.exit_code = static_cast<unsigned char>(received.bytes[2]);
    message.text = received.bytes.substr(3);
    if (!received.fds.empty()) message.fd = std::move(received.fds[0]);
    return message;
}

void throw_failure(const Message& message) {
    throw LaunchError(message.error_kind, message.exit_code, message.text);
}

}  // namespace hull::runtime
