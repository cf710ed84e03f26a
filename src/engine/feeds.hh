#pragma once
#include "api/types/system.hh"
#include "base/bell.hh"
#include "task/log_reader.hh"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace hull::engine {

struct PublishedEvent {
    api::EventMessage message;
    std::string line;  ///< its JSON and a newline
};

/// What one listener has not heard yet of what happens. The engine must outlive it.
class EventFeed {
public:
    using Sink = std::function<bool(const PublishedEvent&)>;
    virtual ~EventFeed() = default;
    /// Hands on what has come, some KB at most. Ended: `sink` returned false, or `until` has
    /// passed. Does not wait for what comes.
    virtual Progress advance(const Sink& sink) = 0;
    /// Rung by each event.
    virtual std::shared_ptr<Bell> bell() const = 0;
    virtual std::optional<std::int64_t> until_ns() const = 0;
};

struct FollowedLog {
    bool terminal = false;  ///< of the container: its lines have no stream
    std::unique_ptr<task::LogFollower> follower;
};

}  // namespace hull::engine
