#pragma once
#include "base/error.hh"
#include "base/fd.hh"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

namespace hull {

/// Writes a large file front to back from a thread of its own, past the page cache where the file
/// system can: what is written once and read rarely costs neither the copying nor the memory, and
/// whoever syncs it has little to wait for. The first megabytes go through the page cache: short
/// files are soon read again.
class WriteBehind {
public:
    /// `direct` is the same file opened with O_DIRECT, or empty: then only the thread is gained.
    /// Does not own `fd`. What was gathered goes to the file at the latest after `longest_wait`, if
    /// that is given, so that a process which is killed leaves nearly all that it was given.
    explicit WriteBehind(int fd, Fd direct = {},
                         std::optional<std::chrono::milliseconds> longest_wait = {});
    /// Drops what was not written yet.
    ~WriteBehind();
    WriteBehind(const WriteBehind&) = delete;
    WriteBehind& operator=(const WriteBehind&) = delete;

    /// Takes a copy of `bytes`, which lie at `offset`: behind everything written so far. Blocks
    /// while much is waiting for the disk. Throws what went wrong with earlier bytes.
    void write(std::uint64_t offset, std::span<const std::byte> bytes);
    /// Waits until the file has everything. Throws what went wrong. write() may go on after it.
    void drain();

private:
    struct Free {
        void operator()(std::byte* memory) const;
    };
    struct Slot {
        std::unique_ptr<std::byte[], Free> memory;  ///< aligned as O_DIRECT wants it
        std::uint64_t start = 0;                    ///< where in the file memory[begin] goes
        std::size_t begin = 0, end = 0;
        void clear() { begin = end = 0; }
    };

    Slot& filling() { return slots_[filled_ % slots_.size()]; }
    void hand_over(std::unique_lock<std::mutex>& lock);
    void wait_for_work(std::unique_lock<std::mutex>& lock);
    void run();
    void put(const Slot& slot);
    void put_direct(std::uint64_t offset, std::span<const std::byte> bytes);
    void put_cached(std::uint64_t offset, std::span<const std::byte> bytes);
    void stop();

    const int fd_;
    const std::optional<std::chrono::milliseconds> longest_wait_;
    Fd direct_;                       ///< this and the next are the thread's once it runs
    std::uint64_t started_back_ = 0;  ///< what is before was given to the disk

    std::mutex mutex_;
    std::vector<Slot> slots_;
    std::condition_variable changed_;
    std::size_t filled_ = 0, written_ = 0;  ///< slots so far
    bool stopping_ = false;
    std::optional<Error> failure_;  ///< by value: two threads must not hold one exception
    std::thread thread_;
};

}  // namespace hull
