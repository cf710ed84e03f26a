#pragma once
#include "api/types/system.hh"
#include "base/stop.hh"
#include "engine/engine.hh"

#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>

namespace hull::engine {

/// Throws invalid_argument "invalid filter 'x'" for a filter that events do not have.
void check_event_filters(const Filters& filters);
bool matches(const api::EventMessage& event, const Filters& filters);

/// Keeps the last events and hands new ones to whoever listens. A slow listener never holds up a
/// publisher: it misses events that fell out of the ring.
class EventBus {
public:
    void publish(api::EventMessage event);
    /// See Engine::stream_events.
    void stream(const EventQuery& query, const std::function<void()>& begin,
                const std::function<bool(const api::EventMessage&)>& sink, StopEvent& stop);
    int listeners();

private:
    std::mutex mutex_;
    std::deque<api::EventMessage> ring_;
    std::uint64_t first_number_ = 0;  ///< of ring_.front()
    std::list<Fd> wakeups_;           ///< one eventfd per listener
};

}  // namespace hull::engine
