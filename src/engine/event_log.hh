#pragma once
#include "api/types/system.hh"
#include "base/fd.hh"
#include "base/file.hh"

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace hull::engine {

/// The events of this and earlier daemons, one line of JSON each, in two files: when the newer one
/// has `segment_bytes`, it takes the older one's place. Survives the end of the daemon; of a lost
/// host the last few may be missing. Thread-safe.
class EventLog {
public:
    static constexpr std::uint64_t standard_segment_bytes = 1 << 20;
    explicit EventLog(const Path& directory, std::uint64_t segment_bytes = standard_segment_bytes);

    /// `line` is an event's JSON and a newline. Never throws: a full disk must not stop what the
    /// event tells of. What could not be written is missing when it is read.
    void append(std::string_view line);
    /// Up to `limit` events from the number `first` on, in order.
    std::vector<api::EventMessage> read(std::uint64_t first, std::size_t limit) const;
    /// The last events without a hole, at most `limit`.
    std::vector<api::EventMessage> read_tail(std::size_t limit) const;

private:
    void open_segment();
    std::string read_all() const;

    const Path older_, newer_;
    const std::uint64_t segment_bytes_;
    mutable std::mutex mutex_;
    Fd file_;
    std::uint64_t size_ = 0;
    bool has_failed_ = false;
};

}  // namespace hull::engine
