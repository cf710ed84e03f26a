#include "transfer/background_hash.hh"

#include <algorithm>

namespace hull::transfer {

namespace {

constexpr std::size_t slot_bytes = 256UL << 10;
/// A thread costs as much as hashing this.
constexpr std::uint64_t alone_bytes = 1UL << 20;

}  // namespace

BackgroundHash::~BackgroundHash() { end(); }

void BackgroundHash::end() {
    if (!thread_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        ended_ = true;
        changed_.notify_all();
    }
    thread_.join();
}

void BackgroundHash::update(std::span<const std::byte> bytes) {
    size_ += bytes.size();
    if (size_ <= alone_bytes) return hash_.update(bytes);
    if (!thread_.joinable()) {
        for (auto& slot : ring_) slot.reserve(slot_bytes);
        thread_ = std::thread([this] { run(); });
    }
    while (!bytes.empty()) {
        auto& slot = ring_[filled_ % slots];
        const auto part = bytes.first(std::min(bytes.size(), slot_bytes - slot.size()));
        slot.insert(slot.end(), part.begin(), part.end());
        bytes = bytes.subspan(part.size());
        if (slot.size() == slot_bytes) hand_over();
    }
}

/// Gives the full slot away and waits for an empty one.
void BackgroundHash::hand_over() {
    std::unique_lock lock(mutex_);
    ++filled_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return filled_ - hashed_ < slots; });
}

void BackgroundHash::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [&] { return hashed_ < filled_ || ended_; });
        if (hashed_ == filled_) return;
        auto& slot = ring_[hashed_ % slots];
        lock.unlock();
        hash_.update(slot);
        slot.clear();
        lock.lock();
        ++hashed_;
        changed_.notify_all();
    }
}

std::string BackgroundHash::hex() {
    if (thread_.joinable()) {
        end();
        hash_.update(ring_[filled_ % slots]);  // what did not fill a slot
    }
    return hash_.hex();
}

}  // namespace hull::transfer
