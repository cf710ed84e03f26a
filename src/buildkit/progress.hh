#pragma once
#include "buildkit/message.hh"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace hull::buildkit {

/// What a build tells of itself: vertexes (steps), their state and what they print. Kept until the
/// build is forgotten, so that whoever asks late is told everything. Thread-safe.
class Progress {
public:
    /// `ref` makes the digests of vertexes unique.
    explicit Progress(std::string ref) : ref_(std::move(ref)) {}

    /// A vertex that may start later. Its name may be said again.
    void announce(const std::string& key, const std::string& name);
    void start(const std::string& key, const std::string& name);
    void complete(const std::string& key, bool cached = false, const std::string& error = {});
    /// Lines of `text` as the step printed them.
    void log(const std::string& key, std::string_view text);
    /// Part of a vertex: "transferring context:"; done when `done`.
    void detail(const std::string& key, const std::string& id, std::int64_t current, bool done);
    void warn(const std::string& key, const MessageWriter& warning);
    /// Ends every vertex that runs, as failed when there is an error.
    void end(const std::string& error);

    /// Gives every StatusResponse there is and will be to `sink`, until end().
    void follow(const std::function<void(const std::string&)>& sink);

    std::string digest_of(const std::string& key) const;

private:
    struct Vertex {
        std::string name;
        std::int64_t started_ns = 0, completed_ns = 0;
        bool cached = false;
        std::string error;
        std::map<std::string, std::int64_t> details;  ///< when each began
    };
    void tell(const std::string& key, const Vertex& vertex);
    void add(const MessageWriter& response);

    const std::string ref_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, Vertex> vertexes_;
    std::vector<std::string> told_;
    bool ended_ = false;
};

}  // namespace hull::buildkit
