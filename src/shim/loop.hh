#pragma once
#include "base/fd.hh"

#include <cstdint>

namespace hull::shim {

/// Told by the loop that its descriptor is ready. May unwatch and destroy anything, itself too.
class Watcher {
public:
    virtual void on_ready(std::uint32_t events) = 0;

protected:
    ~Watcher() = default;
};

/// epoll(7), one event per wait: with a single event at hand nothing can dangle, and level
/// triggering serves ready descriptors in turn.
class Loop {
public:
    Loop();
    void watch(int fd, std::uint32_t events, Watcher& watcher);
    void change(int fd, std::uint32_t events, Watcher& watcher);
    /// Must precede the close: a duplicate elsewhere would keep the registration alive.
    void unwatch(int fd);
    /// Serves one event; false when none came within `timeout_ms` (-1: waits for ever).
    bool serve_one(int timeout_ms);

private:
    void control(int operation, int fd, std::uint32_t events, Watcher* watcher);
    Fd epoll_;
};

}  // namespace hull::shim
