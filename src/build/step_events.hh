#pragma once
#include "base/json.hh"
#include "build/request.hh"

#include <cstddef>
#include <mutex>
#include <string_view>

namespace hull::build {

/// What a build tells a client that shows steps by itself, each as the `aux` of a message:
///   {"plan": {"count": N, "stages": [{"index", "name", "image", "first", "steps"}]}}
///       the stages that are built, of `count`; `image` when the base is one, `first` the number of
///       its FROM, `steps` the instructions after that
///   {"step": N, "begins": true}    {"step": N, "log": "..."}    {"step": N, "cached": true|false}
///   {"step": N, "failed": true}    the error itself is what ends the build
/// Thread-safe.
class StepEvents {
public:
    StepEvents(const Sink& sink, bool wanted) : sink_(sink), wanted_(wanted) {}

    bool wanted() const { return wanted_; }
    void plan(json::Value stages, std::size_t count);
    void begin(std::size_t step) { tell(step, "begins", true); }
    void log(std::size_t step, std::string_view text) { tell(step, "log", text); }
    void end(std::size_t step, bool cached) { tell(step, "cached", cached); }
    void fail(std::size_t step) { tell(step, "failed", true); }

private:
    void tell(std::size_t step, const char* name, json::Value value);
    void send(json::Value aux);

    const Sink& sink_;
    const bool wanted_;
    std::mutex mutex_;
};

}  // namespace hull::build
