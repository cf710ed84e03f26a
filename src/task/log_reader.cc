#include "task/log_reader.hh"

#include "base/error.hh"
#include "base/fd.hh"
#include "base/time.hh"
#include "task/log_files.hh"

#include <array>
#include <cstring>
#include <optional>
#include <vector>

namespace hull::task {

namespace {

constexpr std::size_t max_line_bytes = 1 << 20;
/// Lines that a follower hands on before others get their turn.
constexpr std::size_t turn_bytes = 16 << 10;

bool is_selected(const LogQuery& query, int stream) {
    return stream == 2 ? query.use_stderr : query.use_stdout;
}

/// Puts entries together to lines, per stream, and filters them.
class LineAssembler {
public:
    explicit LineAssembler(const LogQuery& query) : query_(query) {}

    /// False: the sink has had enough.
    bool add(const LogEntry& entry, const LogSink& sink) {
        if (!is_selected(query_, entry.stream)) return true;
        Stream& stream = streams_[entry.stream == 2];
        std::string_view bytes = entry.bytes;
        while (!bytes.empty()) {
            if (stream.held.empty() && !stream.is_continuation) stream.time_ns = entry.time_ns;
            const std::size_t newline = bytes.find('\n');
            const bool is_whole = newline != std::string_view::npos;
            const std::string_view part = bytes.substr(0, is_whole ? newline + 1 : bytes.size());
            bytes.remove_prefix(part.size());
            if (is_whole && stream.held.empty()) {
                if (!emit(entry.stream, part, true, sink)) return false;
                continue;
            }
            stream.held.append(part);
            if (!is_whole && stream.held.size() < max_line_bytes) continue;
            const std::string line = std::move(stream.held);
            stream.held = std::string();
            if (!emit(entry.stream, line, is_whole, sink)) return false;
        }
        return true;
    }

    /// Lines that never got their newline.
    void finish(const LogSink& sink) {
        for (const int number : {1, 2}) {
            Stream& stream = streams_[number == 2];
            const std::string held = std::exchange(stream.held, {});
            if (!held.empty() && !emit(number, held, true, sink)) return;
        }
    }

private:
    struct Stream {
        std::string held;
        std::int64_t time_ns = 0;
        bool is_continuation = false;
    };

    bool emit(int number, std::string_view bytes, bool is_end, const LogSink& sink) {
        Stream& stream = streams_[number == 2];
        const LogLine line{.time_ns = stream.time_ns,
                           .stream = number,
                           .bytes = bytes,
                           .is_continuation = stream.is_continuation};
        stream.is_continuation = !is_end;
        if (query_.since_ns && line.time_ns < query_.since_ns) return true;
        if (query_.until_ns && line.time_ns > query_.until_ns) return true;
        return sink(line);
    }

    const LogQuery query_;
    std::array<Stream, 2> streams_;
};

/// Where the last `tail` lines begin: a place per stream, as their lines interleave.
struct TailStart {
    struct Place {
        std::size_t segment = 0;
        std::uint64_t position = 0;  ///< of the entry
        std::size_t skip = 0;        ///< bytes of the entry that belong to earlier lines
    };
    std::array<std::optional<Place>, 2> streams;  ///< none: from the beginning
};

/// Walks backwards from the end, and only as far as it must.
class TailFinder {
public:
    TailFinder(std::vector<LogSegment>& segments, const LogQuery& query)
        : segments_(segments), query_(query), left_(query.tail) {
        for (const int stream : {1, 2}) done_[stream == 2] = !is_selected(query, stream);
    }

    TailStart find() {
        for (std::size_t i = segments_.size(); i-- > 0;) {
            LogDecoder& decoder = *segments_[i].decoder;
            const std::uint64_t end = decoder.position();
            LogEntry entry;
            while (!is_done() && decoder.previous(entry)) {
                if (query_.until_ns && entry.time_ns > query_.until_ns) continue;
                look_at(entry, {i, decoder.position(), 0});
            }
            decoder.seek(end);
            if (is_done()) break;
        }
        return start_;
    }

private:
    void look_at(const LogEntry& entry, TailStart::Place place) {
        const std::size_t index = entry.stream == 2;
        if (done_[index]) return;
        std::string_view bytes = entry.bytes;
        if (!seen_[index] && !bytes.ends_with('\n')) count_line();  // the last one, still open
        if (!seen_[index] && left_ < 0) return begin(index, place, bytes.size());
        seen_[index] = true;
        while (!bytes.empty()) {
            const void* found = ::memrchr(bytes.data(), '\n', bytes.size());
            if (!found) return;
            const std::size_t newline =
                static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data());
            count_line();
            if (left_ < 0) return begin(index, place, newline + 1);
            bytes = bytes.substr(0, newline);
        }
    }

    /// One more line end is in the tail; below zero: it is the first one that is not.
    void count_line() { --left_; }

    void begin(std::size_t index, TailStart::Place place, std::size_t skip) {
        place.skip = skip;
        start_.streams[index] = place;
        done_[index] = true;
        left_ = 0;
        // A stream of which no line was in the tail begins where the other one does.
        const std::size_t other = 1 - index;
        if (!done_[other] && !seen_[other]) {
            place.skip = 0;
            start_.streams[other] = place;
            done_[other] = true;
        }
    }

    bool is_done() const { return done_[0] && done_[1]; }

    std::vector<LogSegment>& segments_;
    const LogQuery& query_;
    std::int64_t left_;
    TailStart start_;
    std::array<bool, 2> done_{}, seen_{};
};

}  // namespace

class LogReader::State {
public:
    State(const std::string& driver, const Path& directory, const LogQuery& query)
        : files_(make_log_files(driver, directory)), query_(query), lines_(query) {}

    bool read_history(const LogSink& sink, const StopEvent& stop) {
        open();
        return hand_on_history(sink, stop);
    }

    /// All that has come since, through any number of rotations.
    Progress read_new(const LogSink& sink) {
        for (std::size_t left = turn_bytes;;) {
            if (current_) {
                current_->decoder->notice_truncation();
                const Progress progress = read_current(sink, left);
                if (progress != Progress::idle) return progress;
            }
            // The next file exists only once this one is complete: read what came in between.
            std::optional<LogSegment> next = find_next();
            if (!next) break;
            if (current_) {
                const Progress progress = read_current(sink, left);
                if (progress != Progress::idle) return progress;
            }
            current_ = std::move(next);
        }
        // Who waits needs no buffer.
        if (current_) current_->decoder->forget_window();
        return Progress::idle;
    }

    void finish(const LogSink& sink) { lines_.finish(sink); }

private:
    void open() {
        segments_ = files_->open_all();
        for (LogSegment& segment : segments_) segment.decoder->seek_end();
        if (query_.tail >= 0) start_ = TailFinder(segments_, query_).find();
    }

    /// What was there when we came. Segments read are closed: the shim may remove them.
    bool hand_on_history(const LogSink& sink, const StopEvent& stop) {
        std::size_t first = segments_.size();
        std::uint64_t position = 0;
        for (const int stream : {1, 2}) {
            if (!is_selected(query_, stream)) continue;
            const auto& place = start_.streams[stream == 2];
            const std::size_t segment = place ? place->segment : 0;
            const std::uint64_t at = place ? place->position : 0;
            if (segment < first || (segment == first && at < position)) {
                first = segment;
                position = at;
            }
        }
        for (std::size_t i = 0; i < segments_.size(); ++i) {
            LogDecoder& decoder = *segments_[i].decoder;
            const std::uint64_t end = decoder.position();
            if (i >= first && !read_range({i, i == first ? position : 0, end}, sink, stop))
                return false;
            decoder.seek(end);
            if (i + 1 < segments_.size()) segments_[i].file.reset();
        }
        if (!segments_.empty()) {
            current_ = std::move(segments_.back());
            segments_.clear();
        }
        return true;
    }

    struct Range {
        std::size_t segment;
        std::uint64_t from, end;
    };

    bool read_range(const Range& range, const LogSink& sink, const StopEvent& stop) {
        const std::size_t segment = range.segment;
        LogDecoder& decoder = *segments_[segment].decoder;
        decoder.seek(range.from);
        LogEntry entry;
        while (decoder.position() < range.end) {
            const std::uint64_t at = decoder.position();
            if (!decoder.next(entry)) break;
            if (stop.requested()) return false;
            const auto& place = start_.streams[entry.stream == 2];
            if (place && (segment < place->segment ||
                          (segment == place->segment && decoder.position() <= place->position)))
                continue;
            if (place && segment == place->segment && at <= place->position)
                entry.bytes.remove_prefix(place->skip);
            if (!lines_.add(entry, sink)) return false;
        }
        return true;
    }

    std::optional<LogSegment> find_next() {
        if (current_) return files_->open_next(*current_);
        std::vector<LogSegment> all = files_->open_all();
        if (all.empty()) return std::nullopt;
        return std::move(all.front());
    }

    /// `left` bytes at most: then there is more.
    Progress read_current(const LogSink& sink, std::size_t& left) {
        LogEntry entry;
        while (current_->decoder->next(entry)) {
            const std::size_t size = entry.bytes.size();
            if (!lines_.add(entry, sink)) return Progress::ended;
            if (size >= left) return Progress::more;
            left -= size;
        }
        return Progress::idle;
    }

    std::unique_ptr<LogFiles> files_;
    const LogQuery query_;
    LineAssembler lines_;
    std::vector<LogSegment> segments_;
    TailStart start_;
    std::optional<LogSegment> current_;
};

LogReader::LogReader(const std::string& driver, const Path& directory, const LogQuery& query)
    : state_(std::make_unique<State>(driver, directory, query)) {}
LogReader::~LogReader() = default;

bool LogReader::read_history(const LogSink& sink, const StopEvent& stop) {
    return state_->read_history(sink, stop);
}
Progress LogReader::read_new(const LogSink& sink) { return state_->read_new(sink); }
void LogReader::finish(const LogSink& sink) { state_->finish(sink); }

void read_logs(const std::string& driver, const Path& directory, const LogQuery& query,
               const LogSink& sink, const StopEvent& stop) {
    LogReader reader(driver, directory, query);
    if (reader.read_history(sink, stop)) reader.finish(sink);
}

LogFollower::LogFollower(const Source& source, const LogQuery& query,
                         std::function<bool()> still_running)
    : reader_(source.driver, source.directory, query),
      bell_(source.bell),
      until_ns_(query.until_ns),
      still_running_(std::move(still_running)) {}

Progress LogFollower::read_history(const LogSink& sink, const StopEvent& stop) {
    return reader_.read_history(sink, stop) ? Progress::more : Progress::ended;
}

Progress LogFollower::advance(const LogSink& sink) {
    // Before the look: what it wrote last is there when it has ended.
    const bool is_running = still_running_();
    const Progress progress = reader_.read_new(sink);
    if (progress != Progress::idle) return progress;
    const bool is_over = until_ns_ && now_ns() > until_ns_;
    if (is_running && !is_over) return Progress::idle;
    reader_.finish(sink);
    return Progress::ended;
}

}  // namespace hull::task
