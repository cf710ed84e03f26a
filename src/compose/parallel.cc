#include "compose/parallel.hh"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <set>
#include <thread>

namespace hull::compose {
namespace {

/// The names that wait, run, are done or failed; one thread a running name.
class Schedule {
public:
    Schedule(const std::map<std::string, std::vector<std::string>>& after, int limit,
             const std::function<void(const std::string&)>& body)
        : after_(after), limit_(limit), body_(body) {
        for (const auto& [name, others] : after) waiting_.insert(name);
    }

    void run() {
        std::vector<std::thread> threads;
        std::unique_lock lock(mutex_);
        for (;;) {
            drop_blocked();
            while (const std::string* name = find_ready()) {
                running_.insert(*name);
                const std::string copy = *name;
                waiting_.erase(copy);
                threads.emplace_back([this, copy] { run_one(copy); });
            }
            if (running_.empty()) break;
            changed_.wait(lock);
        }
        lock.unlock();
        for (std::thread& thread : threads) thread.join();
        if (error_) std::rethrow_exception(error_);
    }

private:
    const std::string* find_ready() const {
        if (limit_ > 0 && running_.size() >= static_cast<std::size_t>(limit_)) return nullptr;
        for (const std::string& name : waiting_) {
            const std::vector<std::string>& others = after_.at(name);
            // A name that is no job of ours is done already.
            if (std::all_of(others.begin(), others.end(), [&](const std::string& other) {
                    return !after_.contains(other) || done_.contains(other);
                }))
                return &name;
        }
        return nullptr;
    }

    void drop_blocked() {
        for (bool again = true; again;) {
            again = false;
            for (const std::string& name : waiting_) {
                const std::vector<std::string>& others = after_.at(name);
                if (std::none_of(others.begin(), others.end(),
                                 [&](const std::string& other) { return failed_.contains(other); }))
                    continue;
                failed_.insert(name);
                waiting_.erase(name);
                again = true;
                break;
            }
        }
    }

    void run_one(const std::string& name) {
        std::exception_ptr error;
        try {
            body_(name);
        } catch (...) {
            error = std::current_exception();
        }
        const std::lock_guard lock(mutex_);
        running_.erase(name);
        (error ? failed_ : done_).insert(name);
        if (error && !error_) error_ = error;
        changed_.notify_all();
    }

    const std::map<std::string, std::vector<std::string>>& after_;
    const int limit_;
    const std::function<void(const std::string&)>& body_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<std::string> waiting_, running_, done_, failed_;
    std::exception_ptr error_;
};

}  // namespace

void run_in_order(const std::map<std::string, std::vector<std::string>>& after, int limit,
                  const std::function<void(const std::string&)>& body) {
    Schedule(after, limit, body).run();
}

void run_all(const std::vector<std::function<void()>>& jobs, int limit) {
    if (jobs.size() == 1) return jobs[0]();
    std::map<std::string, std::vector<std::string>> names;
    for (std::size_t i = 0; i < jobs.size(); ++i) names[std::to_string(i)];
    run_in_order(names, limit, [&](const std::string& name) { jobs[std::stoul(name)](); });
}

}  // namespace hull::compose
