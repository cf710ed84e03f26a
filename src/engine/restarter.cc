#include "engine/restarter.hh"

#include "base/time.hh"

#include <chrono>

namespace hull::engine {

Restarter::Restarter() : thread_([this] { run(); }) {}

Restarter::~Restarter() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void Restarter::run_later(std::int64_t delay_ns, std::function<void()> job) {
    {
        std::lock_guard lock(mutex_);
        jobs_.emplace(monotonic_ns() + delay_ns, std::move(job));
    }
    changed_.notify_all();
}

void Restarter::run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        if (jobs_.empty()) {
            changed_.wait(lock);
            continue;
        }
        const std::int64_t left_ns = jobs_.begin()->first - monotonic_ns();
        if (left_ns > 0) {
            changed_.wait_for(lock, std::chrono::nanoseconds(left_ns));
            continue;
        }
        const std::function<void()> job = std::move(jobs_.begin()->second);
        jobs_.erase(jobs_.begin());
        lock.unlock();
        job();
        lock.lock();
    }
}

}  // namespace hull::engine
