#include "base/error.hh"
#include "base/sys.hh"
#include "cli/commands.hh"
#include "cli/session.hh"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

namespace hull::cli {
namespace {

/// Copies what is there; false at the end of `from`.
bool copy_some(int from, int to, std::vector<std::byte>& buffer) {
    const std::size_t count = sys::read(from, buffer);
    if (count == 0) return false;
    sys::write_all(to, {reinterpret_cast<const char*>(buffer.data()), count});
    return true;
}

/// Our standard streams become a connection to the daemon: `ssh HOST hull system dial-stdio` is
/// how a client at the other end of ssh reaches it.
int run(Invocation& call) {
    call.session.daemon();  // tells why when nobody listens
    const Fd socket = sys::connect_unix(call.session.socket_path(), SOCK_STREAM);
    std::vector<std::byte> buffer(64 << 10);
    bool input_open = true;
    for (;;) {
        pollfd fds[] = {{socket.get(), POLLIN, 0}, {input_open ? STDIN_FILENO : -1, POLLIN, 0}};
        if (::poll(fds, 2, -1) < 0) {
            if (errno == EINTR) continue;
            throw_errno(errno, "poll");
        }
        if (fds[0].revents && !copy_some(socket.get(), STDOUT_FILENO, buffer)) return 0;
        if (fds[1].revents && !copy_some(STDIN_FILENO, socket.get(), buffer)) {
            input_open = false;
            ::shutdown(socket.get(), SHUT_WR);
        }
    }
}

}  // namespace

const Command dial_stdio_command{
    .name = "system dial-stdio",
    .summary = "Connect STDIN and STDOUT with the daemon's socket",
    .args = exactly(0),
    .run = run,
    .hidden = true,
};

}  // namespace hull::cli
