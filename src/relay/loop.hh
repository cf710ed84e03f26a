#pragma once
#include "base/fd.hh"

#include <cstdint>
#include <functional>
#include <map>
#include <set>

namespace hull::relay {

/// Descriptors that are waited for, with what is to be done when something happens to them. One
/// thread.
class Loop {
public:
    /// Gets what has happened: EPOLL*.
    using Handler = std::function<void(std::uint32_t events)>;

    Loop();
    /// `fd` stays the caller's and is forgotten before it is closed. Returns a number that is
    /// never used again, so that a late event finds nobody.
    std::uint64_t watch(int fd, std::uint32_t events, Handler handler);
    void forget(std::uint64_t number, int fd);
    /// Calls the handler with no events after those that wait now had their turn.
    void again(std::uint64_t number) { waiting_.insert(number); }
    /// One round. `timeout_ms` < 0 waits for ever.
    void run(int timeout_ms);

private:
    void call(std::uint64_t number, std::uint32_t events);

    Fd epoll_;
    std::map<std::uint64_t, Handler> handlers_;
    std::set<std::uint64_t> waiting_;
    std::uint64_t next_ = 1;
};

}  // namespace hull::relay
