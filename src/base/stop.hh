#pragma once
#include "base/fd.hh"

namespace hull {

/// A stop request that poll(2) can wait for: every blocking wait polls `fd()` next to its own.
class StopEvent {
public:
    StopEvent();
    /// Readable for ever once requested. Async-signal-safe.
    void request() noexcept;
    bool requested() const;
    int fd() const { return event_.get(); }

private:
    Fd event_;
};

}  // namespace hull
