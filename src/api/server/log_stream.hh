#pragma once
#include "api/server/call.hh"

#include <functional>
#include <optional>
#include <string>
#include <utility>

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

/// Log lines as GET /containers/{id}/logs sends them.
class LogFormat {
public:
    /// `details`: what log options add to each line, which begins with it; absent: not asked for.
    LogFormat(bool terminal, bool timestamps, std::optional<std::string> details)
        : terminal_(terminal), timestamps_(timestamps), details_(std::move(details)) {}
    void append(const task::LogLine& line, std::string& out) const;

private:
    const bool terminal_, timestamps_;
    const std::optional<std::string> details_;
};

/// Writes the log there is, and with `follow` what comes until the container ends.
void send_log(Call& call, const task::LogQuery& query, std::optional<std::string> details);

}  // namespace hull::server
