#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

namespace hull {

/// What whoever is asked for more says: nothing now, ask again at once, or never again.
enum class Progress { idle, more, ended };

/// Rung when there may be something new for those who wait for it. Whatever waits, however often,
/// hears it once until it has looked. Thread-safe.
class Bell {
public:
    /// Hears one bell, and is told by an eventfd that it may share with others.
    class Listener {
    public:
        /// `wakeup` must outlive it. The bell is owned by those who ring it and those who listen.
        Listener(std::shared_ptr<Bell> bell, int wakeup);
        ~Listener();
        Listener(const Listener&) = delete;
        Listener& operator=(const Listener&) = delete;
        /// Whether it was rung since this was asked last.
        bool take() { return has_rung_.exchange(false); }

    private:
        friend class Bell;
        std::shared_ptr<Bell> bell_;
        const int wakeup_;
        std::atomic<bool> has_rung_ = false;
    };

    void ring() noexcept;

private:
    std::mutex mutex_;
    std::vector<Listener*> listeners_;
};

}  // namespace hull
