#pragma once
#include "api/client/client.hh"
#include "cli/session.hh"
#include "compose/state.hh"

#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace hull::cli {

struct LogViewOptions {
    bool prefix = true, color = true, timestamps = false;
};

/// Prints the output of several containers line by line, each with its container's name in front.
/// Names may be added by other threads.
class LogView {
public:
    explicit LogView(const LogViewOptions& options) : options_(options) {}

    /// Adds a container; `width` of the names grows with it.
    void add_name(const std::string& name);
    /// One line without its newline.
    void print(const std::string& name, std::string_view line, bool to_errors);

private:
    LogViewOptions options_;
    std::mutex mutex_;
    std::vector<std::string> names_;
    std::size_t width_ = 0;
};

/// Cuts a container's stream into lines; multiplexed unless it has a terminal.
class LineCutter {
public:
    using Sink = std::function<void(std::string_view line, bool is_error)>;
    LineCutter(bool multiplexed, Sink sink) : multiplexed_(multiplexed), sink_(std::move(sink)) {}
    void feed(std::string_view bytes);
    /// What is left without a newline.
    void finish();

private:
    void add(std::string_view bytes, int stream);
    bool multiplexed_;
    Sink sink_;
    std::string header_, partial_[2];
    std::size_t left_ = 0;
    int stream_ = 0;
};

}  // namespace hull::cli
