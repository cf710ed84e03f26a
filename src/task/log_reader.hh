#pragma once
#include "base/file.hh"
#include "base/stop.hh"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace hull::task {

struct LogQuery {
    bool follow = false;
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

/// Hands the lines of a container's log to `sink`, oldest first, until `sink` returns false, `stop`
/// is requested, or the end: of the log, or when following, of the container (`still_running`).
/// Works while the container runs and after. `directory` may vanish meanwhile: that is the end.
/// `driver` is "local" or "json-file"; "none" and others throw unsupported.
void read_logs(const std::string& driver, const Path& directory, const LogQuery& query,
               const std::function<bool(const LogLine&)>& sink,
               const std::function<bool()>& still_running, StopEvent& stop);

}  // namespace hull::task
