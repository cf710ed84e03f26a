#pragma once
#include "api/types/system.hh"
#include "base/stop.hh"
#include "engine/engine.hh"
#include "engine/event_log.hh"

#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace hull::engine {

/// Throws invalid_argument "invalid filter 'x'" for a filter that events do not have.
void check_event_filters(const Filters& filters);
bool matches(const api::EventMessage& event, const Filters& filters);

/// Numbers events, keeps the last ones in memory and all for a while in a log, and hands new ones
/// to whoever listens. A slow listener never holds up a publisher: it goes on from the log, and
/// what is not even there any more it is told of by an event of type "daemon", action "gap".
class EventBus {
public:
    /// Goes on where the log ends. Before the first event.
    void keep_in(const Path& directory);
    void publish(api::EventMessage event);
    /// See Engine::stream_events.
    void stream(const EventQuery& query, const std::function<void()>& begin,
                const std::function<bool(const api::EventMessage&)>& sink, StopEvent& stop);
    int listeners();

private:
    struct Batch {
        std::vector<api::EventMessage> events;
        bool is_last = false;  ///< there is nothing newer
    };
    Batch next_batch(std::uint64_t& next, bool is_first);
    std::uint64_t first_wanted(const EventQuery& query);

    std::mutex mutex_;
    std::deque<api::EventMessage> ring_;  ///< numbered without a hole
    std::uint64_t first_number_ = 1;      ///< of ring_.front()
    std::list<Fd> wakeups_;               ///< one eventfd per listener
    std::unique_ptr<EventLog> log_;
};

}  // namespace hull::engine
