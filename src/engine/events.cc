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

void EventBus::publish(api::EventMessage event) {
    std::lock_guard lock(mutex_);
    // Listeners go on from a number and until a time, so both must grow together.
    event.time_ns = now_ns();
    if (!ring_.empty()) event.time_ns = std::max(event.time_ns, ring_.back().time_ns + 1);
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
        next = query.since_ns ? first_number_ : first_number_ + ring_.size();
    }
    struct Unsubscribe {
        EventBus& bus;
        std::list<Fd>::iterator position;
        ~Unsubscribe() {
            std::lock_guard lock(bus.mutex_);
            bus.wakeups_.erase(position);
        }
    } unsubscribe{*this, wakeup};

    begin();
    for (;;) {
        std::vector<api::EventMessage> batch;
        {
            std::lock_guard lock(mutex_);
            next = std::max(next, first_number_);
            for (; next < first_number_ + ring_.size(); ++next) {
                const api::EventMessage& event = ring_[next - first_number_];
                if (query.since_ns && event.time_ns < *query.since_ns) continue;
                if (query.until_ns && event.time_ns > *query.until_ns) continue;
                if (matches(event, query.filters)) batch.push_back(event);
            }
        }
        for (const api::EventMessage& event : batch)
            if (!sink(event)) return;

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
