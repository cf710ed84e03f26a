#include "engine/events.hh"

#include "base/error.hh"
#include "base/time.hh"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <iterator>

namespace hull::engine {

namespace {

constexpr std::size_t ring_size = 1024;

constexpr std::string_view filter_names[] = {
    "config", "container", "daemon", "event",  "image",   "label", "network",
    "node",   "plugin",    "scope",  "secret", "service", "type",  "volume",
};

const std::string* find_attribute(const api::EventMessage& event, const std::string& name) {
    auto found = event.actor.attributes.find(name);
    return found == event.actor.attributes.end() ? nullptr : &found->second;
}

/// Docker compares the part before the colon, too: "exec_create: sh" is an "exec_create".
bool action_matches(const api::EventMessage& event, const std::string& wanted) {
    return event.action == wanted || event.action.substr(0, event.action.find(':')) == wanted;
}

bool label_matches(const api::EventMessage& event, const std::string& wanted) {
    auto equals = wanted.find('=');
    const std::string* value = find_attribute(event, wanted.substr(0, equals));
    if (!value) return false;
    return equals == std::string::npos || *value == wanted.substr(equals + 1);
}

bool actor_matches(const api::EventMessage& event, const std::string& type,
                   const std::string& wanted) {
    const std::string* name = find_attribute(event, "name");
    if (event.type == type)
        return event.actor.id == wanted || event.actor.id.starts_with(wanted) ||
               (name && *name == wanted);
    // An image filter finds the containers made from it, a container filter its networks' events.
    const std::string* other = find_attribute(event, type);
    return other && (*other == wanted || (type == "image" && other->starts_with(wanted + ":")));
}

bool filter_matches(const api::EventMessage& event, const std::string& name,
                    const std::string& wanted) {
    if (name == "event") return action_matches(event, wanted);
    if (name == "type") return event.type == wanted;
    if (name == "label") return label_matches(event, wanted);
    if (name == "scope") return wanted == "local";
    return actor_matches(event, name, wanted);
}

}  // namespace

void check_event_filters(const Filters& filters) {
    for (const auto& [name, values] : filters)
        if (std::find(std::begin(filter_names), std::end(filter_names), name) ==
            std::end(filter_names))
            throw Error(ErrorKind::invalid_argument, "invalid filter '{}'", name);
}

bool matches(const api::EventMessage& event, const Filters& filters) {
    return std::all_of(filters.begin(), filters.end(), [&](const auto& filter) {
        const auto& [name, values] = filter;
        // Labels are a conjunction, everything else a choice.
        auto fits = [&, &name = name](const std::string& value) {
            return filter_matches(event, name, value);
        };
        if (name == "label") return std::all_of(values.begin(), values.end(), fits);
        return values.empty() || std::any_of(values.begin(), values.end(), fits);
    });
}

void EventBus::keep_in(const Path& directory) {
    std::lock_guard lock(mutex_);
    log_ = std::make_unique<EventLog>(directory);
    for (api::EventMessage& event : log_->read_tail(ring_size)) ring_.push_back(std::move(event));
    if (!ring_.empty()) first_number_ = ring_.front().sequence;
}

void EventBus::publish(api::EventMessage event) {
    std::lock_guard lock(mutex_);
    // Listeners go on from a number and until a time, so both must grow together.
    event.time_ns = now_ns();
    if (!ring_.empty()) event.time_ns = std::max(event.time_ns, ring_.back().time_ns + 1);
    event.sequence = first_number_ + ring_.size();
    if (log_) log_->append(event);
    ring_.push_back(std::move(event));
    if (ring_.size() > ring_size) {
        ring_.pop_front();
        ++first_number_;
    }
    for (const Fd& wakeup : wakeups_) ::eventfd_write(wakeup.get(), 1);
}

int EventBus::listeners() {
    std::lock_guard lock(mutex_);
    return static_cast<int>(wakeups_.size());
}

/// Where a listener begins: with what comes, or in the ring, or before it in the log.
std::uint64_t EventBus::first_wanted(const EventQuery& query) {
    if (!query.since_ns) return first_number_ + ring_.size();
    const bool ring_has_all = !ring_.empty() && ring_.front().time_ns < *query.since_ns;
    return ring_has_all || !log_ ? first_number_ : 1;
}

/// The events from `next` on, which moves behind them. Lost ones are told of, unless they were
/// before the listener came (`is_first`).
EventBus::Batch EventBus::next_batch(std::uint64_t& next, bool is_first) {
    Batch batch;
    std::uint64_t in_memory = 0;
    {
        std::lock_guard lock(mutex_);
        in_memory = first_number_;
        if (next >= in_memory || !log_) {
            const std::uint64_t skipped = std::max(next, in_memory) - in_memory;
            batch.events.assign(ring_.begin() + static_cast<std::ptrdiff_t>(skipped), ring_.end());
            batch.is_last = true;
        }
    }
    // Not under the lock: publishers do not wait for a disk.
    if (!batch.is_last) batch.events = log_->read(next, ring_size);
    const std::uint64_t found =
        batch.events.empty() ? std::max(next, in_memory) : batch.events.front().sequence;
    const std::uint64_t missed = found - next;
    next = batch.events.empty() ? found : batch.events.back().sequence + 1;
    if (missed > 0 && !is_first) {
        api::EventMessage gap;
        gap.type = "daemon";
        gap.action = "gap";
        gap.actor.attributes["missed"] = std::to_string(missed);
        gap.time_ns = now_ns();
        batch.events.insert(batch.events.begin(), std::move(gap));
    }
    return batch;
}

void EventBus::stream(const EventQuery& query, const std::function<void()>& begin,
                      const std::function<bool(const api::EventMessage&)>& sink, StopEvent& stop) {
    check_event_filters(query.filters);
    Fd own_wakeup(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!own_wakeup) throw_errno(errno, "eventfd");
    std::list<Fd>::iterator wakeup;
    std::uint64_t next = 0;
    {
        std::lock_guard lock(mutex_);
        wakeup = wakeups_.insert(wakeups_.end(), std::move(own_wakeup));
        next = first_wanted(query);
    }
    struct Unsubscribe {
        EventBus& bus;
        std::list<Fd>::iterator position;
        ~Unsubscribe() {
            std::lock_guard lock(bus.mutex_);
            bus.wakeups_.erase(position);
        }
    } unsubscribe{*this, wakeup};
    const auto is_wanted = [&](const api::EventMessage& event) {
        if (event.sequence == 0) return true;  // a gap, of which nobody knows what was in it
        if (query.since_ns && event.time_ns < *query.since_ns) return false;
        if (query.until_ns && event.time_ns > *query.until_ns) return false;
        return matches(event, query.filters);
    };

    begin();
    for (bool is_first = true;; is_first = false) {
        const Batch batch = next_batch(next, is_first);
        for (const api::EventMessage& event : batch.events)
            if (is_wanted(event) && !sink(event)) return;
        if (!batch.is_last) continue;

        int timeout_ms = -1;
        if (query.until_ns) {
            std::int64_t left_ns = *query.until_ns - now_ns();
            if (left_ns <= 0) return;
            timeout_ms = static_cast<int>(std::min<std::int64_t>(left_ns / 1'000'000 + 1, 60'000));
        }
        pollfd polled[] = {{wakeup->get(), POLLIN, 0}, {stop.fd(), POLLIN, 0}};
        ::poll(polled, std::size(polled), timeout_ms);
        if (stop.requested()) return;
        eventfd_t count = 0;
        ::eventfd_read(wakeup->get(), &count);
    }
}

}  // namespace hull::engine
