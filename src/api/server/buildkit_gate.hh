#pragma once
#include "base/fd.hh"
#include "base/file.hh"
#include "base/json.hh"
#include "base/process.hh"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

namespace hull::server {

/// Hands connections of BuildKit clients to hull-buildkit, which is there while there are any, and
/// gives it what it asks for: connections to our API and sockets for agents (ADR 031). Thread-safe.
class BuildkitGate {
public:
    struct Options {
        Path program;
        Path data_root;  ///< buildkit/ below it is hull-buildkit's
        Path exec_root;  ///< buildkit/ below it: sockets
        uid_t uid = 64991;
    };
    /// `serve` serves a connection to the API.
    using Serve = std::function<void(Fd)>;
    explicit BuildkitGate(Options options) : options_(std::move(options)) {}
    ~BuildkitGate() { stop(); }
    /// Ends hull-buildkit; nothing is served after this.
    void stop();
    void set_serve(Serve serve) { serve_ = std::move(serve); }

    /// `message` says what the descriptors are. Starts hull-buildkit when it is not there. Throws.
    void hand_over(const json::Value& message, std::span<const int> descriptors);
    /// Whether a path is hull-buildkit's own: it may name no other.
    bool is_own(const Path& path) const;
    /// Removes what clients sent for builds that have ended.
    void forget_contexts();

private:
    void start();
    void watch(int channel);
    void forget_process();
    void take(const json::Value& message, std::vector<Fd> fds);
    void send_listener(std::int64_t number);

    const Options options_;
    Serve serve_;
    std::mutex mutex_;
    std::condition_variable ended_;
    Fd channel_;
    std::optional<Process> process_;
    std::thread watcher_;
    bool stopped_ = false;
    std::int64_t handed_ = 0;  ///< connections to this process
};

}  // namespace hull::server
