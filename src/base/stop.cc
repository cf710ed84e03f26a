#include "base/stop.hh"

#include "base/error.hh"
#include "base/sys.hh"

#include <poll.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <cstdint>

namespace hull {

StopEvent::StopEvent() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!event_) throw_errno(errno, "making an eventfd");
}

void StopEvent::request() noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
}

bool StopEvent::requested() const { return sys::poll_one(event_.get(), POLLIN, 0); }

}  // namespace hull
