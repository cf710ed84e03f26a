#include "shim/loop.hh"

#include "base/error.hh"

#include <sys/epoll.h>

#include <cerrno>

namespace hull::shim {

Loop::Loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (!epoll_) throw_errno(errno, "making an epoll descriptor");
}

void Loop::watch(int fd, std::uint32_t events, Watcher& watcher) {
    control(EPOLL_CTL_ADD, fd, events, &watcher);
}

void Loop::change(int fd, std::uint32_t events, Watcher& watcher) {
    control(EPOLL_CTL_MOD, fd, events, &watcher);
}

void Loop::unwatch(int fd) { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

bool Loop::serve_one(int timeout_ms) {
    epoll_event event;
    const int count = ::epoll_wait(epoll_.get(), &event, 1, timeout_ms);
    if (count < 0 && errno != EINTR) throw_errno(errno, "waiting for events");
    if (count <= 0) return false;
    static_cast<Watcher*>(event.data.ptr)->on_ready(event.events);
    return true;
}

void Loop::control(int operation, int fd, std::uint32_t events, Watcher* watcher) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = watcher;
    if (::epoll_ctl(epoll_.get(), operation, fd, &event) != 0)
        throw_errno(errno, "watching descriptor {}", fd);
}

}  // namespace hull::shim
