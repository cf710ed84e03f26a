#include "sender/program.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "sender/message.hh"
#include "sender/peer.hh"
#include "shim/log_record.hh"

#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <deque>
#include <map>
#include <optional>

namespace hull::sender {

namespace {

constexpr int input = 0, verdict = 3;
constexpr uid_t own_uid = 64996;  ///< nobody else's: it sends what a container made up
constexpr std::size_t longest_line = 16 << 10;
constexpr std::size_t blocking_bytes = 1 << 20;
constexpr std::int64_t second_ns = 1'000'000'000, patience_ns = 10 * second_ns;

void drop_rights() {
    if (::geteuid() != 0) return;
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (::setgroups(0, nullptr) != 0 || ::setresgid(own_uid, own_uid, own_uid) != 0 ||
        ::setresuid(own_uid, own_uid, own_uid) != 0)
        throw_errno(errno, "becoming user {}", own_uid);
}

std::size_t parse_bytes(const std::string& text) {
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const char unit = end == text.data() + text.size() ? 'b' : static_cast<char>(*end | 0x20);
    return number << (unit == 'k' ? 10 : unit == 'm' ? 20 : unit == 'g' ? 30 : 0);
}

/// Lines on their way to the peer.
class Sender {
public:
    explicit Sender(Target target)
        : target_(std::move(target)),
          peer_(target_),
          drops_(target_.option("mode") == "non-blocking"),
          limit_(drops_ ? parse_bytes(target_.option("max-buffer-size", "1m")) : blocking_bytes) {}

    /// Throws unless the driver says that connecting may wait.
    void begin() {
        const bool is_lazy = target_.option("fluentd-async") == "true" ||
                             target_.option("fluentd-async-connect") == "true";
        try {
            peer_.connect();
        } catch (const Error&) {
            if (!is_lazy) throw;
        }
        format(
            {.stream = 1, .time_ns = 0, .is_partial = false, .bytes = "x"});  // options are right
    }

    void add(int stream, std::int64_t time_ns, std::string_view bytes) {
        std::string& held = held_[stream];
        while (!bytes.empty()) {
            const std::size_t end = bytes.find('\n');
            const std::size_t taken = std::min(end == std::string_view::npos ? bytes.size() : end,
                                               longest_line - held.size());
            held.append(bytes.substr(0, taken));
            bytes.remove_prefix(taken);
            const bool is_line = !bytes.empty() && bytes.front() == '\n';
            if (is_line) bytes.remove_prefix(1);
            if (is_line || held.size() == longest_line) emit(stream, time_ns, !is_line);
        }
    }
    void finish_lines(std::int64_t time_ns) {
        for (const int stream : {1, 2})
            if (!held_[stream].empty()) emit(stream, time_ns, false);
    }

    bool is_full() const { return !drops_ && queued_ >= limit_; }
    bool is_empty() const { return queue_.empty(); }
    /// Sends what goes without waiting.
    void send() {
        if (monotonic_ns() < retry_ns_) return;
        try {
            while (!queue_.empty()) {
                const std::string& first = queue_.front();
                const std::size_t sent = peer_.send(first, sent_);
                if (sent == 0 && !first.empty()) return;
                sent_ += sent;
                if (sent_ < first.size()) continue;
                queued_ -= first.size();
                queue_.pop_front();
                sent_ = 0;
            }
        } catch (const Error& error) {
            if (!was_broken_) log::warning("log: {}", error.message());
            was_broken_ = true;
            sent_ = 0;  // the message goes whole over the next connection
            retry_ns_ = monotonic_ns() + second_ns;
        }
    }
    /// To poll for writing; -1 while there is no connection.
    int fd() const { return peer_.fd(); }
    int wait_ms() const {
        return static_cast<int>(std::max<std::int64_t>(0, retry_ns_ - monotonic_ns()) / 1'000'000 +
                                1);
    }

private:
    std::vector<std::string> format(const Line& line) const {
        if (target_.driver == "syslog") return format_syslog(target_, line, peer_.is_stream());
        if (target_.driver == "journald") return format_journald(target_, line);
        if (target_.driver == "fluentd") return format_fluentd(target_, line);
        return format_gelf(target_, line, peer_.is_stream());
    }
    void emit(int stream, std::int64_t time_ns, bool is_partial) {
        std::string& held = held_[stream];
        // Docker's GELF and syslog have no entries without text.
        if (!held.empty() || target_.driver == "journald" || target_.driver == "fluentd")
            for (std::string& message : format({stream, time_ns, is_partial, held})) {
                if (drops_ && queued_ + message.size() > limit_) continue;
                queued_ += message.size();
                queue_.push_back(std::move(message));
            }
        held.clear();
    }

    const Target target_;
    Peer peer_;
    const bool drops_;
    const std::size_t limit_;
    std::map<int, std::string> held_;
    std::deque<std::string> queue_;
    std::size_t queued_ = 0, sent_ = 0;
    std::int64_t retry_ns_ = 0;
    bool was_broken_ = false;
};

/// Frames from the shim: a record header and its bytes.
class Frames {
public:
    /// Reads once; false at the end.
    bool read() {
        char bytes[64 << 10];
        const ssize_t count = ::read(input, bytes, sizeof bytes);
        if (count > 0) buffer_.append(bytes, static_cast<std::size_t>(count));
        return count > 0 || (count < 0 && errno == EINTR);
    }
    template <typename Use>
    void take_all(Use&& use) {
        std::size_t at = 0;
        while (const auto header =
                   shim::decode_record_header(std::string_view(buffer_).substr(at))) {
            if (buffer_.size() - at < shim::record_header_bytes + header->length) break;
            use(*header,
                std::string_view(buffer_).substr(at + shim::record_header_bytes, header->length));
            at += shim::record_header_bytes + header->length;
        }
        buffer_.erase(0, at);
    }

private:
    std::string buffer_;
};

void serve(Sender& sender, Frames& frames) {
    bool has_ended = false;
    std::int64_t last_ns = now_ns(), deadline_ns = 0;
    for (;;) {
        frames.take_all([&](const shim::RecordHeader& header, std::string_view bytes) {
            last_ns = static_cast<std::int64_t>(header.time_ns);
            sender.add(header.stream, last_ns, bytes);
        });
        if (has_ended) sender.finish_lines(last_ns);
        sender.send();
        if (has_ended && (sender.is_empty() || monotonic_ns() > deadline_ns)) return;
        const bool reads = !has_ended && !sender.is_full();
        const bool writes = !sender.is_empty() && sender.fd() >= 0;
        pollfd polled[] = {{reads ? input : -1, POLLIN, 0},
                           {writes ? sender.fd() : -1, POLLOUT, 0}};
        ::poll(polled, 2, sender.is_empty() ? -1 : sender.wait_ms() + (writes ? 200 : 0));
        if (polled[0].revents && !frames.read()) {
            has_ended = true;
            deadline_ns = monotonic_ns() + patience_ns;
        }
    }
}

}  // namespace

int run_program() {
    ::signal(SIGPIPE, SIG_IGN);
    sigset_t none;  // the shim blocks everything
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    std::optional<Sender> sender;
    Frames frames;
    try {
        std::string first;
        while (first.empty()) {
            if (!frames.read()) return 1;
            frames.take_all([&](const shim::RecordHeader&, std::string_view bytes) {
                if (first.empty()) first = bytes;
            });
        }
        sender.emplace(parse_target(first));
        sender->begin();
        drop_rights();
        sys::write_all(verdict, "+");
        ::close(verdict);
    } catch (const std::exception& error) {
        try {
            sys::write_all(verdict, error.what());
        } catch (const std::exception&) {
        }
        return 1;
    }
    serve(*sender, frames);
    return 0;
}

}  // namespace hull::sender
