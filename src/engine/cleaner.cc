#include "engine/cleaner.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "linux/cgroup.hh"

#include <functional>

namespace hull::engine {

namespace {

void attempt(const std::string& id, const std::function<void()>& step) {
    try {
        step();
    } catch (const std::exception& error) {
        log::warning("cleaning up container {}: {}", id, error.what());
    }
}

void remove_leftovers(const Leftovers& leftovers) {
    if (!leftovers.cgroup.empty())
        attempt(leftovers.id, [&] {
            static const linux_::CgroupLayout layout = linux_::detect_cgroups();
            auto cgroup = linux_::Cgroup::open(layout, leftovers.cgroup);
            cgroup.signal_all(9);
            cgroup.remove();
        });
    for (const Path& directory : leftovers.directories)
        attempt(leftovers.id, [&] { sys::remove_tree(directory); });
}

}  // namespace

Cleaner::Cleaner() : thread_([this] { run(); }) {}

Cleaner::~Cleaner() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void Cleaner::add(Leftovers leftovers) {
    {
        std::lock_guard lock(mutex_);
        queue_.push_back(std::move(leftovers));
    }
    changed_.notify_all();
}

void Cleaner::flush() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return queue_.empty() && !busy_; });
}

void Cleaner::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        if (queue_.empty()) return;
        Leftovers leftovers = std::move(queue_.front());
        queue_.pop_front();
        busy_ = true;
        lock.unlock();
        remove_leftovers(leftovers);
        lock.lock();
        busy_ = false;
        changed_.notify_all();
    }
}

}  // namespace hull::engine
