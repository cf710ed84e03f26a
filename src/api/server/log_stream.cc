#include "api/server/log_stream.hh"

#include "api/server/linger.hh"
#include "base/time.hh"
#include "engine/engine.hh"
#include "engine/feeds.hh"
#include "task/log_reader.hh"

#include <charconv>

namespace hull::server {

namespace {

/// Lines are gathered up to this size when nobody waits for each of them.
constexpr std::size_t flush_bytes = 32 << 10;

/// Lines as they come, until the container ends.
class LogReply final : public http::LingeringReply {
public:
    LogReply(std::unique_ptr<task::LogFollower> follower, const LogFormat& format)
        : follower_(std::move(follower)), format_(format) {}

    Progress advance(std::string& out) override {
        return follower_->advance([&](const task::LogLine& line) {
            format_.append(line, out);
            return true;
        });
    }
    std::shared_ptr<Bell> bell() const override { return follower_->bell(); }
    std::optional<std::int64_t> next_look_ns() const override {
        return follower_->until_ns() ? std::optional(follower_->until_ns() + 1) : std::nullopt;
    }

private:
    std::unique_ptr<task::LogFollower> follower_;
    const LogFormat format_;
};

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

void LogFormat::append(const task::LogLine& line, std::string& out) const {
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
        out.append(header, sizeof header);
    }
    out += time;
    out += line.bytes;
}

void send_log(Call& call, const task::LogQuery& query, std::optional<std::string> details) {
    engine::FollowedLog log = call.engine.container_logs(call.path("id"), query);
    StopEvent& stop = call.exchange.stop_event();
    call.exchange.start_stream(
        200,
        {{"Content-Type", std::string(stream_content_type(log.terminal, call.minor_version))}});
    const LogFormat format(log.terminal, query.timestamps, std::move(details));
    std::string pending;
    const auto flush = [&] {
        call.exchange.write(pending);
        pending.clear();
    };
    const task::LogSink sink = [&](const task::LogLine& line) {
        format.append(line, pending);
        if (pending.size() >= flush_bytes) flush();
        return true;
    };
    const Progress progress = log.follower->read_history(sink, stop);
    if (progress == Progress::ended) return;
    if (!query.follow) log.follower->finish(sink);
    flush();
    if (query.follow)
        linger(call, std::make_unique<LogReply>(std::move(log.follower), format), stop);
}

}  // namespace hull::server
