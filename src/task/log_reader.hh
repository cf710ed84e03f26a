#pragma once
#include "base/bell.hh"
#include "base/file.hh"
#include "base/stop.hh"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace hull::task {

struct LogQuery {
    bool follow = false;  ///< for the caller
    bool use_stdout = true, use_stderr = true;
    bool timestamps = false;  ///< for the caller; the reader always hands out the time
    std::int64_t since_ns = 0, until_ns = 0;  ///< inclusive; 0: no bound
    std::int64_t tail = -1;                   ///< last lines only; -1: all
};

struct LogLine {
    std::int64_t time_ns;
    int stream;              ///< 1 stdout, 2 stderr
    std::string_view bytes;  ///< the whole line with its newline, if it had one
    /// `bytes` goes on the line handed out just before: lines beyond 1 MB come in pieces.
    bool is_continuation = false;
};

/// False: it has had enough.
using LogSink = std::function<bool(const LogLine&)>;

/// The lines of a container's log, oldest first, while the container runs and after. `directory`
/// may vanish meanwhile: nothing more comes then.
class LogReader {
public:
    /// `driver` is "local" or "json-file"; throws unsupported for "none" and others.
    LogReader(const std::string& driver, const Path& directory, const LogQuery& query);
    ~LogReader();

    /// What is there now; once, and first. False: `sink` has had enough, or `stop` is requested.
    bool read_history(const LogSink& sink, const StopEvent& stop);
    /// What has come since. More: there is more by now; ended: `sink` has had enough.
    Progress read_new(const LogSink& sink);
    /// The last lines, should they have no newline.
    void finish(const LogSink& sink);

private:
    class State;
    std::unique_ptr<State> state_;
};

/// All of a log that there is now. See LogReader.
void read_logs(const std::string& driver, const Path& directory, const LogQuery& query,
               const LogSink& sink, const StopEvent& stop);

/// A log, and what comes until its container ends, or the query's `until`.
class LogFollower {
public:
    struct Source {
        std::string driver;
        Path directory;
        /// Rung when `directory` or the answer of `still_running` changes. Whoever rings it owns
        /// it, too. Take it before the first look.
        std::shared_ptr<Bell> bell;
    };
    LogFollower(const Source& source, const LogQuery& query, std::function<bool()> still_running);

    /// What is there now; once, and first. Waits for the disk, and may be long.
    Progress read_history(const LogSink& sink, const StopEvent& stop);
    /// What has come since, some 16 KB at most.
    Progress advance(const LogSink& sink);
    /// Instead of waiting for more: the last lines, should they have no newline.
    void finish(const LogSink& sink) { reader_.finish(sink); }
    const std::shared_ptr<Bell>& bell() const { return bell_; }
    std::int64_t until_ns() const { return until_ns_; }

private:
    LogReader reader_;
    const std::shared_ptr<Bell> bell_;
    const std::int64_t until_ns_;
    const std::function<bool()> still_running_;
};

}  // namespace hull::task
