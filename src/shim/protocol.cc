#include "shim/protocol.hh"

#include "base/file.hh"
#include "base/sys.hh"

namespace hull::shim {

namespace {

/// Below the default send buffer of a unix socket (208 KB), which bounds a packet.
constexpr std::size_t max_packet_bytes = 64 << 10;
/// First byte of a packet whose text is in the memfd beside it. JSON never starts with it.
constexpr char in_memfd = '@';
constexpr std::size_t max_text_bytes = 32 << 20;

std::string read_memfd(int fd) {
    const auto size = static_cast<std::size_t>(sys::fstat(fd).st_size);
    if (size > max_text_bytes)
        throw Error(ErrorKind::invalid_argument, "a message of {} bytes is too long", size);
    std::string text(size, '\0');
    for (std::size_t done = 0; done < size;) {
        const ssize_t count =
            ::pread(fd, text.data() + done, size - done, static_cast<off_t>(done));
        if (count <= 0) throw_errno(errno, "reading a message");
        done += static_cast<std::size_t>(count);
    }
    return text;
}

}  // namespace

void send_message(int socket, std::string_view text, const std::vector<int>& fds) {
    if (text.size() <= max_packet_bytes) {
        sys::send_with_fds(socket, text, fds);
        return;
    }
    const Fd memory = make_memory_file("hull-message", text);
    std::vector<int> all{memory.get()};
    all.insert(all.end(), fds.begin(), fds.end());
    sys::send_with_fds(socket, std::string_view(&in_memfd, 1), all);
}

Message receive_message(int socket) {
    sys::Received received = sys::receive_with_fds(socket, max_packet_bytes);
    Message message{std::move(received.bytes), std::move(received.fds)};
    if (message.text.size() == 1 && message.text[0] == in_memfd && !message.fds.empty()) {
        message.text = read_memfd(message.fds[0].get());
        message.fds.erase(message.fds.begin());
    }
    return message;
}

}  // namespace hull::shim
