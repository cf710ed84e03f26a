#include "base/lines.hh"

#include "base/error.hh"
#include "base/sys.hh"

#include <poll.h>

#include <array>
#include <cerrno>
#include <string>

namespace hull {

void read_lines(int fd, StopEvent* stop, std::size_t max_line_bytes,
                const std::function<void(std::string_view line)>& take) {
    std::string pending;
    std::array<std::byte, 16UL << 10> buffer;
    for (;;) {
        std::array<pollfd, 2> waits{{{fd, POLLIN, 0}, {stop ? stop->fd() : -1, POLLIN, 0}}};
        if (::poll(waits.data(), waits.size(), -1) < 0) {
            if (errno == EINTR) continue;
            throw_errno(errno, "poll");
        }
        if (waits[1].revents) throw Error(ErrorKind::cancelled, "the client went away");
        const std::size_t count = sys::read(fd, buffer);
        if (count == 0) return;
        pending.append(reinterpret_cast<const char*>(buffer.data()), count);
        std::size_t start = 0;
        for (std::size_t end; (end = pending.find('\n', start)) != std::string::npos;
             start = end + 1)
            if (end > start) take(std::string_view(pending).substr(start, end - start));
        pending.erase(0, start);
        if (pending.size() > max_line_bytes)
            throw Error(ErrorKind::data_loss, "a message without end");
    }
}

}  // namespace hull
