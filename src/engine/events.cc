#include "engine/events.hh"

#include "base/error.hh"
#include "base/time.hh"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

namespace hull::engine {

namespace {

constexpr std::size_t ring_size = 1024;
constexpr std::size_t text_bytes = 1 << 20;
/// A listener gets this at once: one that does not take it makes us keep it.
constexpr std::size_t batch_bytes = 8 << 10;
constexpr std::size_t log_events = 64;

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

std::string to_line(const api::EventMessage& event) { return json::dump(to_json(event)) + "\n"; }

PublishedEvent make_published(api::EventMessage event) {
    std::string line = to_line(event);
    return {std::move(event), std::move(line)};
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

/// A listener's place in the row of events.
class EventBus::Feed final : public EventFeed {
public:
    Feed(EventBus& bus, const EventQuery& query) : bus_(bus), query_(query) {
        std::lock_guard lock(bus.mutex_);
        next_ = bus.first_wanted(query);
        ++bus.listeners_;
    }
    ~Feed() override { --bus_.listeners_; }

    Progress advance(const Sink& sink) override {
        const BatchPointer batch = bus_.next_batch(next_);
        // What was lost before we came is no news.
        const bool is_news = !std::exchange(is_first_, false);
        if (batch->first > next_ && is_news)
            if (!sink(make_gap(batch->first - next_))) return Progress::ended;
        next_ = batch->end;
        for (const PublishedEvent& event : batch->events)
            if (is_wanted(event.message) && !sink(event)) return Progress::ended;
        if (!batch->is_last) return Progress::more;
        return query_.until_ns && *query_.until_ns <= now_ns() ? Progress::ended : Progress::idle;
    }
    std::shared_ptr<Bell> bell() const override { return bus_.bell_; }
    std::optional<std::int64_t> until_ns() const override { return query_.until_ns; }

private:
    /// Nobody knows what was in it, so it is for all.
    static PublishedEvent make_gap(std::uint64_t missed) {
        api::EventMessage gap;
        gap.type = "daemon";
        gap.action = "gap";
        gap.actor.attributes["missed"] = std::to_string(missed);
        gap.time_ns = now_ns();
        return make_published(std::move(gap));
    }

    bool is_wanted(const api::EventMessage& event) const {
        if (query_.since_ns && event.time_ns < *query_.since_ns) return false;
        if (query_.until_ns && event.time_ns > *query_.until_ns) return false;
        return matches(event, query_.filters);
    }

    EventBus& bus_;
    const EventQuery query_;
    std::uint64_t next_ = 0;  ///< number
    bool is_first_ = true;
};

std::unique_ptr<EventFeed> EventBus::follow(const EventQuery& query) {
    check_event_filters(query.filters);
    return std::make_unique<Feed>(*this, query);
}

void EventBus::keep_in(const Path& directory) {
    std::lock_guard lock(mutex_);
    log_ = std::make_unique<EventLog>(directory);
    for (const api::EventMessage& event : log_->read_tail(ring_size)) {
        if (ring_.empty()) first_number_ = event.sequence;
        keep(to_line(event), event.time_ns);
    }
}

/// With mutex_ held. What is over the limits goes, in one move for many events.
void EventBus::keep(std::string_view line, std::int64_t time_ns) {
    if (text_.capacity() < text_bytes) text_.reserve(text_bytes);
    const auto forget_first = [&] {
        ring_.pop_front();
        ++first_number_;
    };
    if (ring_.size() == ring_size) forget_first();
    if (text_.size() + line.size() > text_bytes) {
        while (!ring_.empty() && ring_.front().begin < text_bytes / 2) forget_first();
        const std::size_t gone = ring_.empty() ? text_.size() : ring_.front().begin;
        text_.erase(0, gone);
        for (Place& place : ring_) place.begin -= gone;
    }
    ring_.push_back({text_.size(), line.size(), time_ns});
    text_ += line;
}

void EventBus::publish(api::EventMessage event) {
    std::lock_guard lock(mutex_);
    // Listeners go on from a number and until a time, so both must grow together.
    event.time_ns = now_ns();
    if (!ring_.empty()) event.time_ns = std::max(event.time_ns, ring_.back().time_ns + 1);
    event.sequence = first_number_ + ring_.size();
    const std::string line = to_line(event);
    if (log_) log_->append(line);
    keep(line, event.time_ns);
    newest_.reset();
    bell_->ring();
}

/// Where a listener begins: with what comes, or in the ring, or before it in the log.
std::uint64_t EventBus::first_wanted(const EventQuery& query) {
    if (!query.since_ns) return first_number_ + ring_.size();
    const bool ring_has_all = !ring_.empty() && ring_.front().time_ns < *query.since_ns;
    return ring_has_all || !log_ ? first_number_ : 1;
}

/// The events from `next` on, or from the first later one that is not lost.
EventBus::BatchPointer EventBus::next_batch(std::uint64_t next) {
    auto batch = std::make_shared<Batch>();
    std::vector<std::string> lines;
    {
        std::lock_guard lock(mutex_);
        if (newest_ && newest_->first == next) return newest_;
        const std::uint64_t end = first_number_ + ring_.size();
        batch->first = batch->end = std::max(next, first_number_);
        if (next >= first_number_ || !log_) {
            std::size_t bytes = 0;
            std::uint64_t number = batch->first;
            for (; number < end && bytes < batch_bytes; ++number) {
                const Place& place = ring_[number - first_number_];
                lines.push_back(text_.substr(place.begin, place.size));
                bytes += place.size;
            }
            batch->end = std::max(batch->first, number);
            batch->is_last = number >= end;
        }
    }
    // Neither the disk nor the parser is waited for by publishers.
    for (std::string& line : lines)
        batch->events.push_back(
            {api::parse<api::EventMessage>(json::parse(line)), std::move(line)});
    if (next < batch->first && log_) {
        for (api::EventMessage& event : log_->read(next, log_events))
            batch->events.push_back(make_published(std::move(event)));
        if (!batch->events.empty()) {
            batch->first = batch->events.front().message.sequence;
            batch->end = batch->events.back().message.sequence + 1;
        }
    }
    std::lock_guard lock(mutex_);
    if (batch->is_last && batch->first == next && batch->end == first_number_ + ring_.size())
        newest_ = batch;
    return batch;
}

}  // namespace hull::engine
