#include "api/server/log_stream.hh"

#include "base/time.hh"
#include "task/log_reader.hh"

#include <charconv>

namespace hull::server {

namespace {

/// Lines are gathered up to this size when nobody waits for each of them.
constexpr std::size_t flush_bytes = 32 << 10;

}  // namespace

std::string_view stream_content_type(bool terminal, int minor_version) {
    return terminal || minor_version < 42 ? "application/vnd.docker.raw-stream"
                                          : "application/vnd.docker.multiplexed-stream";
}

std::function<Fd(bool terminal)> upgrade_of(Call& call) {
    return [&call](bool terminal) {
        return call.exchange.hijack(
            {{"Content-Type", std::string(stream_content_type(terminal, call.minor_version))}});
    };
}

TerminalSize parse_terminal_size(const Call& call) {
    const auto side = [&](std::string_view name) {
        const std::optional<std::int64_t> value = call.find_integer(name);
        if (!value)
            throw Error(ErrorKind::invalid_argument, "strconv.Atoi: parsing \"\": invalid syntax");
        if (*value < 0 || *value > 65535)
            throw Error(ErrorKind::invalid_argument, "invalid terminal size {}={}", name, *value);
        return static_cast<unsigned short>(*value);
    };
    return {.rows = side("h"), .columns = side("w")};
}

std::int64_t parse_tail(std::string_view text) {
    std::int64_t lines = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), lines);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return -1;
    return lines < 0 ? -1 : lines;
}

LogStream::LogStream(Call& call, const task::LogQuery& query, bool terminal,
                     std::optional<std::string> details)
    : call_(call),
      terminal_(terminal),
      timestamps_(query.timestamps),
      follow_(query.follow),
      details_(std::move(details)) {
    call.exchange.start_stream(
        200, {{"Content-Type", std::string(stream_content_type(terminal, call.minor_version))}});
}

void LogStream::write(const task::LogLine& line) {
    std::string time;
    if (timestamps_ && !line.is_continuation) time = format_rfc3339_fixed(line.time_ns) + " ";
    if (details_ && !line.is_continuation) time += *details_ + " ";
    if (!terminal_) {
        const std::size_t size = time.size() + line.bytes.size();
        const char header[8] = {static_cast<char>(line.stream),
                                0,
                                0,
                                0,
                                static_cast<char>(size >> 24),
                                static_cast<char>(size >> 16),
                                static_cast<char>(size >> 8),
                                static_cast<char>(size)};
        pending_.append(header, sizeof header);
    }
    pending_ += time;
    pending_ += line.bytes;
    if (follow_ || pending_.size() >= flush_bytes) flush();
}

void LogStream::flush() {
    call_.exchange.write(pending_);
    pending_.clear();
}

}  // namespace hull::server
