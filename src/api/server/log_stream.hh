#pragma once
#include "api/server/call.hh"

#include <functional>
#include <string>

namespace hull::task {
struct LogLine;
struct LogQuery;
}  // namespace hull::task

namespace hull::server {

/// Content type of a stream of process output: multiplexed frames, or raw bytes of a terminal (and
/// the name of both before 1.42).
std::string_view stream_content_type(bool terminal, int minor_version);

/// The engine::Upgrade of a call: replies 101 or 200 and gives the connection away.
std::function<Fd(bool terminal)> upgrade_of(Call& call);

struct TerminalSize {
    unsigned short rows = 0, columns = 0;
};
/// `h` and `w` of a resize.
TerminalSize parse_terminal_size(const Call& call);

/// "all", "" and anything but a number mean everything: -1.
std::int64_t parse_tail(std::string_view text);

/// Writes log lines as GET /containers/{id}/logs sends them. The header goes out at once.
class LogStream {
public:
    /// `details`: what log options add to each line, which begins with it; absent: not asked for.
    LogStream(Call& call, const task::LogQuery& query, bool terminal,
              std::optional<std::string> details);
    void write(const task::LogLine& line);
    void flush();

private:
    Call& call_;
    const bool terminal_, timestamps_, follow_;
    const std::optional<std::string> details_;
    std::string pending_;
};

}  // namespace hull::server
