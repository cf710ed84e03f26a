#include "relay/loop.hh"

#include "base/error.hh"

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <utility>

namespace hull::relay {

Loop::Loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (!epoll_) throw_errno(errno, "epoll_create1");
}

std::uint64_t Loop::watch(int fd, std::uint32_t events, Handler handler) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = next_;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) throw_errno(errno, "epoll_ctl");
    handlers_.emplace(next_, std::move(handler));
    return next_++;
}

void Loop::forget(std::uint64_t number, int fd) {
    if (handlers_.erase(number) != 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    waiting_.erase(number);
}

void Loop::call(std::uint64_t number, std::uint32_t events) {
    const auto found = handlers_.find(number);
    if (found == handlers_.end()) return;
    const Handler handler = found->second;  // which may forget itself
    handler(events);
}

void Loop::run(int timeout_ms) {
    std::array<epoll_event, 128> events;
    const std::set<std::uint64_t> waiting = std::exchange(waiting_, {});
    const int count = ::epoll_pwait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                    waiting.empty() ? timeout_ms : 0, nullptr);
    if (count < 0 && errno != EINTR) throw_errno(errno, "epoll_pwait");
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        call(event.data.u64, event.events);
    }
    for (const std::uint64_t number : waiting) call(number, 0);
}

}  // namespace hull::relay
