#include "http/await_reader.hh"

#include "base/time.hh"

#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include <cstdint>

namespace hull::http {

namespace {

constexpr std::int64_t longest_ns = 300'000'000;
/// A client that waits in recv has read by then; after that sleeping is cheaper.
constexpr int yields = 100;
constexpr timespec nap{0, 50'000};

}  // namespace

void await_reader(int socket) noexcept {
    int domain = 0;
    socklen_t size = sizeof domain;
    if (::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_UNIX)
        return;
    const std::int64_t end = monotonic_ns() + longest_ns;
    for (int i = 0; monotonic_ns() < end; ++i) {
        int unread = 0;
        if (::ioctl(socket, SIOCOUTQ, &unread) != 0 || unread == 0) return;
        if (i < yields)
            ::sched_yield();
        else
            ::nanosleep(&nap, nullptr);
    }
}

}  // namespace hull::http
