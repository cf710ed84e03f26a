#include "base/bell.hh"

#include <sys/eventfd.h>

#include <utility>

namespace hull {

Bell::Listener::Listener(std::shared_ptr<Bell> bell, int wakeup)
    : bell_(std::move(bell)), wakeup_(wakeup) {
    std::lock_guard lock(bell_->mutex_);
    bell_->listeners_.push_back(this);
}

Bell::Listener::~Listener() {
    std::lock_guard lock(bell_->mutex_);
    std::erase(bell_->listeners_, this);
}

void Bell::ring() noexcept {
    std::lock_guard lock(mutex_);
    for (Listener* listener : listeners_)
        if (!listener->has_rung_.exchange(true)) ::eventfd_write(listener->wakeup_, 1);
}

}  // namespace hull
