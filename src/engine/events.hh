#pragma once
#include "api/types/system.hh"
#include "base/bell.hh"
#include "engine/engine.hh"
#include "engine/event_log.hh"
#include "engine/feeds.hh"

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace hull::engine {

/// Throws invalid_argument "invalid filter 'x'" for a filter that events do not have.
void check_event_filters(const Filters& filters);
bool matches(const api::EventMessage& event, const Filters& filters);

/// Numbers events, keeps the last ones in memory and all for a while in a log, and hands new ones
/// to whoever asks for them. A slow listener never holds up a publisher: it goes on from the log,
/// and what is not even there any more it is told of by an event of type "daemon", action "gap".
class EventBus {
public:
    /// Goes on where the log ends. Before the first event.
    void keep_in(const Path& directory);
    void publish(api::EventMessage event);
    /// See Engine::follow_events. The bus must outlive it.
    std::unique_ptr<EventFeed> follow(const EventQuery& query);
    int listeners() const { return listeners_; }

private:
    class Feed;
    /// Of listeners that are at the same place all have the same one.
    struct Batch {
        std::uint64_t first = 0, end = 0;  ///< numbers: of the first, and behind the last
        std::vector<PublishedEvent> events;
        bool is_last = false;  ///< there is nothing newer
    };
    using BatchPointer = std::shared_ptr<const Batch>;
    struct Place {
        std::size_t begin = 0, size = 0;  ///< in `text_`
        std::int64_t time_ns = 0;
    };
    BatchPointer next_batch(std::uint64_t next);
    void keep(std::string_view line, std::int64_t time_ns);
    std::uint64_t first_wanted(const EventQuery& query);

    std::mutex mutex_;
    /// The last events as text, one behind the other: kept as objects, each would hold on to the
    /// page of the heap that it happened to be made in.
    std::string text_;
    std::deque<Place> ring_;          ///< numbered without a hole
    std::uint64_t first_number_ = 1;  ///< of ring_.front()
    BatchPointer newest_;             ///< what was handed out last, while nothing has come since
    const std::shared_ptr<Bell> bell_ = std::make_shared<Bell>();  ///< ours and the listeners'
    std::atomic<int> listeners_ = 0;
    std::unique_ptr<EventLog> log_;
};

}  // namespace hull::engine
