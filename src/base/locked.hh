#pragma once
#include <mutex>
#include <utility>

namespace hull {

/// A value that can only be reached with its mutex held. Never hold it across I/O on a container.
template <typename T>
class Locked {
public:
    template <typename... Args>
    explicit Locked(Args&&... args) : value_(std::forward<Args>(args)...) {}

    class Guard {
    public:
        explicit Guard(Locked& owner) : lock_(owner.mutex_), value_(&owner.value_) {}
        T* operator->() const { return value_; }
        /// Of a named guard only: `for (auto& x : *locked.lock())` would loop without the lock,
        /// because a range-for ends the guard's life before its body.
        T& operator*() const& { return *value_; }
        T& operator*() const&& = delete;
        /// For condition variables.
        std::unique_lock<std::mutex>& mutex() { return lock_; }

    private:
        std::unique_lock<std::mutex> lock_;
        T* value_;
    };

    Guard lock() { return Guard(*this); }

private:
    std::mutex mutex_;
    T value_;
};

}  // namespace hull
