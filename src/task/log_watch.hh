#pragma once
#include "base/bell.hh"
#include "base/file.hh"

#include <memory>

namespace hull::task {

/// Bells of log directories: each rings when something in its directory changes. However many
/// follow, there is one inotify instance (a user may have 128) and one thread, from the first bell
/// on. Without inotify all of them ring every 20 ms. Thread-safe.
class LogWatch {
public:
    LogWatch();
    ~LogWatch();

    /// The directory's bell, the same for all who follow it: they own it, and it is watched as long
    /// as one does.
    std::shared_ptr<Bell> bell(const Path& directory);
    /// For what followers look at besides: whether the container runs.
    void ring(const Path& directory);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace hull::task
