#pragma once
#include "api/client/client.hh"
#include "cli/terminal.hh"

#include <sys/signalfd.h>

#include <functional>
#include <optional>
#include <string>

namespace hull::cli {

/// Signals that are ours to pass on, blocked and readable from a descriptor while this lives.
class SignalQueue {
public:
    /// `proxy`: everything that could be meant for the program; otherwise only SIGWINCH.
    explicit SignalQueue(bool proxy);
    ~SignalQueue();
    SignalQueue(const SignalQueue&) = delete;
    SignalQueue& operator=(const SignalQueue&) = delete;
    int fd() const { return fd_.get(); }
    /// 0 when none is waiting.
    int take();

private:
    Fd fd_;
    sigset_t previous_;
};

/// How to connect our standard streams with a process.
struct StreamPlan {
    bool use_stdin = false;  ///< copy ours to the process
    bool has_output = true;  ///< false: only stdin is attached
    bool terminal = false;   ///< the process has one: one raw stream
    std::string detach_keys;
    int output = 1, errors = 2;  ///< where its streams go, -1 drops one
    SignalQueue* signals = nullptr;
    std::function<void(int signal_number)> on_signal;
    std::function<void()> on_resize;
    std::function<void(std::string_view bytes)> on_output;  ///< sees what is written; may be empty
    /// Reply of a wait request: streaming also ends when the process did and all its output came.
    http::ClientResponse* wait = nullptr;
};

enum class StreamEnd {
    finished,  ///< the process closed its side, or ended (plan.wait is readable)
    detached,  ///< the user typed the detach keys
    broken,    ///< nobody reads our output any more
};

/// Copies until the process is done; one thread, one poll loop. Input that ends is passed on as a
/// half-close, and output that follows it still arrives.
StreamEnd stream(client::Connection& connection, const StreamPlan& plan);

/// Copies a multiplexed or raw body to our output.
StreamEnd copy_body(http::ClientResponse& response, bool multiplexed);

}  // namespace hull::cli
