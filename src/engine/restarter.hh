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
    using Restart = std::function<void(const std::string& id, std::uint64_t ticket)>;
    explicit Restarter(Restart restart);
    ~Restarter();  ///< drops what is still scheduled
    void schedule(const std::string& id, std::uint64_t ticket, std::int64_t delay_ns);
    /// `job` must not throw.
    void run_later(std::int64_t delay_ns, std::function<void()> job);

private:
    void run();
    Restart restart_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::multimap<std::int64_t, std::function<void()>> jobs_;  ///< by monotonic time
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace hull::engine
