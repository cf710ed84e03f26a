#pragma once
#include "base/file.hh"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace hull::engine {

/// What a removed container leaves behind. Taken away after the client has its answer: umounts,
/// rmdirs and unlinks can take tens of milliseconds.
struct Leftovers {
    std::string id;
    std::vector<Path> directories;
    std::string cgroup;  ///< below each controller; empty: none
};

/// Removes leftovers in one background thread; what fails is logged, and tried again when the
/// daemon starts, because it has no record any more.
class Cleaner {
public:
    Cleaner();
    ~Cleaner();  ///< finishes what is queued
    void add(Leftovers leftovers);
    /// Blocks until the queue is empty.
    void flush();

private:
    void run();
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Leftovers> queue_;
    bool busy_ = false, stopping_ = false;
    std::thread thread_;
};

}  // namespace hull::engine
