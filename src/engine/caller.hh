#pragma once
#include <string>

namespace hull::engine {

/// Who asks the engine in this thread, in words for the reason of an end: "uid 0, pid 33". Lasts
/// as long as the object.
class CallerScope {
public:
    explicit CallerScope(std::string caller);
    ~CallerScope();
    CallerScope(const CallerScope&) = delete;
    CallerScope& operator=(const CallerScope&) = delete;
};

/// "stop by uid 0, pid 33"; "stop" alone when the engine acts by itself.
std::string describe_request(const std::string& request);

}  // namespace hull::engine
