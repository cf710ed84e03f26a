#pragma once
#include "base/fd.hh"
#include "base/process.hh"
#include "engine/health.hh"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace hull::engine {

/// Waits for the probes of all containers: one thread for times, output and ends, and a few for
/// what blocks. They are started by the first use. Thread-safe.
class Prober {
public:
    Prober() = default;
    ~Prober() { stop(); }
    Prober(const Prober&) = delete;
    Prober& operator=(const Prober&) = delete;

    using Job = std::function<void()>;
    /// `job` may block for seconds, and must not throw.
    void run_later(std::int64_t delay_ns, Job job);
    /// For what may take as long as a container takes to end: it has a thread of its own, and no
    /// probe waits for it. Must not throw.
    void run_aside(Job job);

    struct Probe {
        std::string id;  ///< of its exec
        Fd output;       ///< what it prints, raw
        /// A program of ours that is the probe: it has ended when it prints no more. Owned by this
        /// and by `kill`, which takes its time.
        std::shared_ptr<Process> process = {};
        std::int64_t timeout_ns = 0;
        Job kill;                               ///< when its time is over
        std::function<void(ProbeResult)> done;  ///< once, as a job
    };
    /// Before the process is started.
    void watch(Probe probe);
    /// The process has ended. False: it is none of ours, or not any more.
    bool ended(const std::string& id, int exit_code);
    /// The process could not be started.
    void failed(const std::string& id, const std::string& why);
    /// Joins the threads; what was to come is dropped. Nothing is taken on afterwards.
    void stop();

private:
    struct Running {
        Probe probe;
        std::int64_t started_ns = 0;   ///< since 1970
        std::int64_t deadline_ns = 0;  ///< monotonic
        std::string output;
        bool is_truncated = false;
        std::optional<int> exit_code;
    };
    void start_threads();
    void wake();
    void run_clock();
    void run_worker();
    void drain(Running& running);
    void queue_due(std::int64_t now);
    void settle(std::int64_t now);
    void finish(Running&& running, ProbeResult result);
    std::int64_t next_time() const;

    std::mutex mutex_;
    std::condition_variable work_;
    std::multimap<std::int64_t, Job> later_;  ///< by monotonic time
    std::deque<Job> ready_;
    std::map<std::string, Running> running_;
    Fd wakeup_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
    struct Aside {
        std::thread thread;
        bool has_ended = false;
    };
    std::list<Aside> asides_;
};

}  // namespace hull::engine
