#include "base/error.hh"
#include "base/log.hh"
#include "base/process.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "shim/log_record.hh"
#include "shim/log_writer.hh"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace hull::shim {

namespace {

constexpr int reach_ms = 15'000;  ///< for the other end to answer
constexpr std::size_t full_bytes = 256 << 10;
constexpr std::int64_t last_words_ns = 5'000'000'000;

/// Output goes to hull-log, which sends it away, and into the local log so that it can be read.
class RemoteLog final : public LogWriter {
public:
    RemoteLog(const LogConfig& config, std::unique_ptr<LogWriter> copy) : copy_(std::move(copy)) {
        sys::SocketPair pair = sys::socketpair(SOCK_STREAM), verdict = sys::socketpair(SOCK_STREAM);
        Command command;
        command.arguments = {config.program};
        command.descriptors = {{pair.second.get(), 0}, {verdict.second.get(), 3}};
        Process process = Process::spawn(command);
        pair.second.reset();
        verdict.second.reset();
        socket_ = std::move(pair.first);
        append(1, 1, config.target);
        flush();
        std::array<char, 1024> answer;
        const bool in_time = sys::poll_one(verdict.first.get(), POLLIN, reach_ms);
        const ssize_t size =
            in_time ? ::recv(verdict.first.get(), answer.data(), answer.size(), 0) : 0;
        const std::string text(answer.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
        if (text != "+")
            throw Error(ErrorKind::unavailable, "failed to initialize logging driver: {}: {}",
                        config.driver,
                        !in_time       ? "no answer"
                        : text.empty() ? "hull-log ended at once"
                                       : text);
        (void)process.release();  // reaped as any child; it goes on until all is sent
    }

    void write(int stream, std::int64_t time_ns, std::string_view bytes) override {
        if (copy_) copy_->write(stream, time_ns, bytes);
        if (!socket_) return;
        while (!bytes.empty()) {
            const std::size_t part = std::min(bytes.size(), max_record_bytes);
            append(stream, time_ns, bytes.substr(0, part));
            bytes.remove_prefix(part);
        }
        flush();
    }
    void flush() override {
        while (socket_ && begin_ < pending_.size()) {
            const ssize_t sent = ::send(socket_.get(), pending_.data() + begin_,
                                        pending_.size() - begin_, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (sent >= 0) {
                begin_ += static_cast<std::size_t>(sent);
            } else if (errno == EAGAIN) {
                return;
            } else if (errno != EINTR) {
                log::warning("hull-log is gone: output is not sent any more");
                socket_.reset();
            }
        }
        pending_ = std::string();
        begin_ = 0;
    }
    int pending_fd() const override { return begin_ < pending_.size() ? socket_.get() : -1; }
    bool is_full() const override { return pending_.size() - begin_ > full_bytes; }
    void finish() override {
        const std::int64_t deadline = monotonic_ns() + last_words_ns;
        while (pending_fd() >= 0 && monotonic_ns() < deadline) {
            sys::poll_one(pending_fd(), POLLOUT, 100);
            flush();
        }
        socket_.reset();
        if (copy_) copy_->finish();
    }

private:
    void append(int stream, std::int64_t time_ns, std::string_view bytes) {
        const auto header = encode({.length = static_cast<std::uint32_t>(bytes.size()),
                                    .time_ns = static_cast<std::uint64_t>(time_ns),
                                    .stream = static_cast<std::uint8_t>(stream),
                                    .flags = 0});
        pending_.append(header.data(), header.size()).append(bytes);
    }

    std::unique_ptr<LogWriter> copy_;
    Fd socket_;
    std::string pending_;
    std::size_t begin_ = 0;  ///< of what is not sent
};

}  // namespace

std::unique_ptr<LogWriter> open_remote_log(const LogConfig& config) {
    return std::make_unique<RemoteLog>(config,
                                       config.keeps_copy ? open_local_log(config) : nullptr);
}

}  // namespace hull::shim
