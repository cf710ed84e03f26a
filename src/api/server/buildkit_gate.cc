#include "api/server/buildkit_gate.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace hull::server {

namespace {

constexpr std::size_t largest_message = 1 << 16;

}  // namespace

void BuildkitGate::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopped_ = true;
        if (channel_) ::shutdown(channel_.get(), SHUT_RDWR);
    }
    if (watcher_.joinable()) watcher_.join();
}

void BuildkitGate::start() {
    if (stopped_) throw Error(ErrorKind::unavailable, "the daemon is stopping");
    if (channel_) return;
    if (watcher_.joinable()) watcher_.join();  // of one that has ended
    const Path room = join(options_.data_root, "buildkit");
    sys::mkdir_all(room, 0700);
    if (::chown(room.c_str(), options_.uid, options_.uid) != 0)
        throw_errno(errno, "giving {} to hull-buildkit", room);
    sys::SocketPair pair = sys::socketpair(SOCK_SEQPACKET);
    Command command;
    command.arguments = {options_.program, "--directory", room, "--uid",
                         std::to_string(options_.uid)};
    command.descriptors = {{pair.second.get(), 3}};
    command.environment.emplace();
    command.new_session = true;
    process_.emplace(Process::spawn(command));
    channel_ = std::move(pair.first);
    handed_ = 0;
    watcher_ = std::thread([this, channel = channel_.get()] { watch(channel); });
}

void BuildkitGate::hand_over(const json::Value& message, std::span<const int> descriptors) {
    const std::string text = json::dump(message);
    std::unique_lock lock(mutex_);
    for (int attempt = 1;; ++attempt) {
        start();
        try {
            sys::send_with_fds(channel_.get(), text, descriptors);
            ++handed_;
            return;
        } catch (const Error&) {
            if (attempt == 2) throw;
        }
        // It has died, which watch() is about to see.
        ended_.wait(lock, [this] { return !channel_; });
    }
}

bool BuildkitGate::is_own(const Path& path) const {
    const auto is_in = [&](const Path& root) {
        const Path directory = join(root, "buildkit") + "/";
        const std::string name = path.substr(std::min(directory.size(), path.size()));
        return path.starts_with(directory) && !name.empty() && name != ".." &&
               name.find('/') == std::string::npos;
    };
    return is_in(options_.data_root) || is_in(options_.exec_root);
}

void BuildkitGate::forget_contexts() {
    const std::lock_guard lock(mutex_);
    if (channel_) return sys::send_with_fds(channel_.get(), R"({"kind": "prune"})", {});
    sys::remove_tree(join(options_.data_root, "buildkit"));
}

/// Until it has ended. Its words come from a program without rights.
void BuildkitGate::watch(int channel) {
    for (;;) {
        try {
            sys::Received received = sys::receive_with_fds(channel, largest_message);
            if (received.bytes.empty()) break;
            const json::Value message = json::parse(received.bytes);
            const std::string& want = message["want"].as_string();
            if (want == "end") {
                const std::lock_guard lock(mutex_);
                if (message["taken"].as_int() != handed_) continue;  // one is on its way
                return forget_process();
            }
            take(message, std::move(received.fds));
        } catch (const Error& error) {
            log::warning("hull-buildkit: {}", error.message());
        }
    }
    const std::lock_guard lock(mutex_);
    forget_process();
}

/// With the mutex held: nothing may be handed over in between.
void BuildkitGate::forget_process() {
    channel_.reset();
    constexpr int goodbye_ms = 2000;
    if (!process_->wait_for(goodbye_ms)) process_->signal(SIGKILL);
    process_.reset();
    ended_.notify_all();
}

void BuildkitGate::take(const json::Value& message, std::vector<Fd> fds) {
    const std::string& want = message["want"].as_string();
    if (want == "api" && !fds.empty()) return serve_(std::move(fds.front()));
    if (want == "listener") return send_listener(message["number"].as_int());
    if (want == "removal") {
        const Path directory = join(options_.exec_root, "buildkit");
        const std::string& path = message["path"].as_string();
        const std::string name = path.substr(path.rfind('/') + 1);
        if (path == join(directory, name) && name != "..") sys::unlink(path);
    }
}

void BuildkitGate::send_listener(std::int64_t number) {
    const Path directory = join(options_.exec_root, "buildkit");
    sys::mkdir_all(directory, 0700);
    const Path path = join(directory, random_hex(8));
    const Fd socket = sys::listen_unix(path, SOCK_STREAM, 0666);
    const int fds[] = {socket.get()};
    const std::lock_guard lock(mutex_);
    sys::send_with_fds(
        channel_.get(),
        json::dump(json::Object{{"kind", "listener"}, {"number", number}, {"path", path}}), fds);
}

}  // namespace hull::server
