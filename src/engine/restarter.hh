#pragma once
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

namespace hull::engine {

/// Does things when their time has come, in one thread of its own: restarts above all.
class Restarter {
public:
    Restarter();
    ~Restarter();  ///< drops what is still to come
    /// `job` must not throw.
    void run_later(std::int64_t delay_ns, std::function<void()> job);

private:
    void run();
    std::mutex mutex_;
    std::condition_variable changed_;
    std::multimap<std::int64_t, std::function<void()>> jobs_;  ///< by monotonic time
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace hull::engine
