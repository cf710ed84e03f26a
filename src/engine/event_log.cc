#include "engine/event_log.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>

namespace hull::engine {

namespace {

constexpr std::string_view number_member = "\"sequence\":";

/// Without parsing the line: it is written by us, with the number last.
std::uint64_t number_of(std::string_view line) {
    const std::size_t begin = line.rfind(number_member);
    if (begin == line.npos) return 0;
    return std::strtoull(line.data() + begin + number_member.size(), nullptr, 10);
}

/// The whole lines of `text`: the last one may be torn by a crash.
template <typename Visit>
void for_each_line(std::string_view text, Visit&& visit) {
    for (std::size_t end; (end = text.find('\n')) != text.npos; text.remove_prefix(end + 1))
        if (!visit(text.substr(0, end))) return;
}

std::optional<api::EventMessage> find_event(std::string_view line) {
    try {
        return api::parse<api::EventMessage>(json::parse(line));
    } catch (const Error&) {  // torn, and written on after
        return std::nullopt;
    }
}

}  // namespace

EventLog::EventLog(const Path& directory, std::uint64_t segment_bytes)
    : older_(join(directory, "older")),
      newer_(join(directory, "newer")),
      segment_bytes_(segment_bytes) {
    sys::mkdir_all(directory, 0700);
    open_segment();
}

void EventLog::open_segment() {
    file_ = sys::open(newer_, O_WRONLY | O_CREAT | O_APPEND, 0600);
    const auto info = sys::find_stat(newer_);
    size_ = info ? static_cast<std::uint64_t>(info->st_size) : 0;
    // A line that a crash has torn must not take the next one with it.
    if (size_ > 0) {
        sys::write_all(file_.get(), "\n");
        ++size_;
    }
}

void EventLog::append(std::string_view line) {
    std::lock_guard lock(mutex_);
    try {
        if (size_ >= segment_bytes_ || !file_) {
            file_.reset();
            if (::rename(newer_.c_str(), older_.c_str()) != 0 && errno != ENOENT)
                throw_errno(errno, "renaming {}", newer_);
            open_segment();
        }
        sys::write_all(file_.get(), line);
        size_ += line.size();
        has_failed_ = false;
    } catch (const Error& error) {
        if (!std::exchange(has_failed_, true))
            log::warning("events are not written for now: {}", error.message());
    }
}

std::string EventLog::read_all() const {
    std::lock_guard lock(mutex_);
    return find_file(older_).value_or("") + "\n" + find_file(newer_).value_or("");
}

std::vector<api::EventMessage> EventLog::read(std::uint64_t first, std::size_t limit) const {
    std::vector<api::EventMessage> events;
    const std::string text = read_all();
    for_each_line(text, [&](std::string_view line) {
        const std::uint64_t number = number_of(line);
        if (number != 0 && number >= first)
            if (auto event = find_event(line)) events.push_back(std::move(*event));
        return events.size() < limit;
    });
    return events;
}

std::vector<api::EventMessage> EventLog::read_tail(std::size_t limit) const {
    std::vector<std::string_view> lines;
    const std::string text = read_all();
    for_each_line(text, [&](std::string_view line) {
        const std::uint64_t number = number_of(line);
        if (number == 0) return true;
        if (!lines.empty() && number_of(lines.back()) + 1 != number) lines.clear();
        lines.push_back(line);
        return true;
    });
    if (lines.size() > limit) lines.erase(lines.begin(), lines.end() - static_cast<long>(limit));
    std::vector<api::EventMessage> events;
    for (const std::string_view line : lines) {
        auto event = find_event(line);
        if (!event) events.clear();  // a hole, after all
        if (event) events.push_back(std::move(*event));
    }
    return events;
}

}  // namespace hull::engine
