#include "engine/prober.hh"

#include "base/error.hh"
#include "base/time.hh"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

namespace hull::engine {

namespace {

constexpr std::size_t output_bytes = 4096;
/// Enough that one stuck shim does not hold up the other containers' checks.
constexpr int worker_count = 4;

}  // namespace

// ---------------------------------------------------------------- from any thread

/// With mutex_ held.
void Prober::start_threads() {
    if (!threads_.empty()) return;
    wakeup_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wakeup_) throw_errno(errno, "eventfd");
    threads_.emplace_back([this] { run_clock(); });
    for (int i = 0; i < worker_count; ++i) threads_.emplace_back([this] { run_worker(); });
}

void Prober::wake() {
    if (wakeup_) ::eventfd_write(wakeup_.get(), 1);
}

void Prober::run_later(std::int64_t delay_ns, Job job) {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    start_threads();
    later_.emplace(monotonic_ns() + delay_ns, std::move(job));
    wake();
}

void Prober::run_aside(Job job) {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    for (auto aside = asides_.begin(); aside != asides_.end();) {
        if (!aside->has_ended || !aside->thread.joinable()) {
            ++aside;
            continue;
        }
        aside->thread.join();  // it has ended, all but its last step
        aside = asides_.erase(aside);
    }
    Aside& aside = asides_.emplace_back();
    aside.thread = std::thread([this, &aside, job = std::move(job)] {
        job();
        std::lock_guard ended(mutex_);
        aside.has_ended = true;
    });
}

void Prober::watch(Probe probe) {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    start_threads();
    ::fcntl(probe.output.get(), F_SETFL, O_NONBLOCK);
    std::string id = probe.id;
    Running running;
    running.started_ns = now_ns();
    running.deadline_ns = monotonic_ns() + probe.timeout_ns;
    running.probe = std::move(probe);
    running_.insert_or_assign(std::move(id), std::move(running));
    wake();
}

bool Prober::ended(const std::string& id, int exit_code) {
    std::lock_guard lock(mutex_);
    const auto found = running_.find(id);
    if (found == running_.end()) return false;
    found->second.exit_code = exit_code;
    wake();
    return true;
}

void Prober::failed(const std::string& id, const std::string& why) {
    std::lock_guard lock(mutex_);
    const auto found = running_.find(id);
    if (found == running_.end()) return;
    Running running = std::move(found->second);
    running_.erase(found);
    finish(std::move(running), {.exit_code = -1, .output = why});
}

void Prober::stop() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
        wake();
    }
    work_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    for (Aside& aside : asides_)
        if (aside.thread.joinable()) aside.thread.join();
    asides_.clear();
}

// ---------------------------------------------------------------- the threads; with mutex_ held

/// What came of the output; all of it is read, or the process would wait for us.
void Prober::drain(Running& running) {
    char buffer[4096];
    while (running.probe.output) {
        const ssize_t count = ::read(running.probe.output.get(), buffer, sizeof buffer);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) return;
        if (count <= 0) {
            running.probe.output.reset();
            return;
        }
        const std::size_t room = output_bytes - running.output.size();
        running.output.append(buffer, std::min(room, static_cast<std::size_t>(count)));
        running.is_truncated |= static_cast<std::size_t>(count) > room;
    }
}

void Prober::finish(Running&& running, ProbeResult result) {
    result.started_ns = running.started_ns;
    result.ended_ns = now_ns();
    ready_.push_back(
        [done = std::move(running.probe.done), result = std::move(result)] { done(result); });
    work_.notify_one();
}

void Prober::queue_due(std::int64_t now) {
    while (!later_.empty() && later_.begin()->first <= now) {
        ready_.push_back(std::move(later_.begin()->second));
        later_.erase(later_.begin());
        work_.notify_one();
    }
}

/// Takes away the probes that have ended and those whose time is over.
void Prober::settle(std::int64_t now) {
    for (auto position = running_.begin(); position != running_.end();) {
        Running& running = position->second;
        if (running.probe.process && !running.probe.output)
            running.exit_code = running.probe.process->wait().docker_code();
        const bool is_late = !running.exit_code && now >= running.deadline_ns;
        if (!running.exit_code && !is_late) {
            ++position;
            continue;
        }
        drain(running);
        std::string output = std::move(running.output);
        if (running.is_truncated) output += "...";
        if (is_late) {
            std::string text =
                "Health check exceeded timeout (" + go_duration(running.probe.timeout_ns) + ")";
            if (!output.empty()) text += ": " + output;
            output = std::move(text);
            ready_.push_back(std::move(running.probe.kill));
            work_.notify_one();
        }
        const int code = running.exit_code.value_or(-1);
        finish(std::move(running), {.exit_code = code, .output = std::move(output)});
        position = running_.erase(position);
    }
}

std::int64_t Prober::next_time() const {
    std::int64_t next = std::numeric_limits<std::int64_t>::max();
    if (!later_.empty()) next = later_.begin()->first;
    for (const auto& [id, running] : running_) next = std::min(next, running.deadline_ns);
    return next;
}

void Prober::run_clock() {
    constexpr std::int64_t longest_wait_ms = 3'600'000;
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        const std::int64_t now = monotonic_ns();
        queue_due(now);
        settle(now);
        std::vector<pollfd> polled = {{wakeup_.get(), POLLIN, 0}};
        std::vector<std::string> ids;
        for (const auto& [id, running] : running_)
            if (running.probe.output) {
                polled.push_back({running.probe.output.get(), POLLIN, 0});
                ids.push_back(id);
            }
        const std::int64_t wait_ms =
            std::clamp<std::int64_t>((next_time() - now) / 1'000'000 + 1, 0, longest_wait_ms);
        lock.unlock();
        ::poll(polled.data(), polled.size(), static_cast<int>(wait_ms));
        eventfd_t count = 0;
        ::eventfd_read(wakeup_.get(), &count);
        lock.lock();
        // Only this thread closes outputs of probes that `failed` has not taken away.
        for (std::size_t i = 0; i < ids.size(); ++i)
            if (polled[i + 1].revents != 0)
                if (const auto found = running_.find(ids[i]); found != running_.end())
                    drain(found->second);
    }
}

void Prober::run_worker() {
    std::unique_lock lock(mutex_);
    for (;;) {
        work_.wait(lock, [&] { return stopping_ || !ready_.empty(); });
        if (stopping_) return;
        const Job job = std::move(ready_.front());
        ready_.pop_front();
        lock.unlock();
        job();
        lock.lock();
    }
}

}  // namespace hull::engine
