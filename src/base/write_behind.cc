#include "base/write_behind.hh"

#include "base/sys.hh"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

namespace hull {

namespace {

constexpr std::size_t slot_bytes = 1UL << 20, slot_count = 4;
constexpr std::size_t alignment = 4096;
constexpr std::uint64_t cached_bytes = 8UL << 20;
constexpr std::uint64_t writeback_bytes = 16UL << 20;

std::string_view view(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::size_t behind_boundary(std::uint64_t offset) { return offset % alignment; }

}  // namespace

void WriteBehind::Free::operator()(std::byte* memory) const { std::free(memory); }

WriteBehind::WriteBehind(int fd, Fd direct, std::optional<std::chrono::milliseconds> longest_wait)
    : fd_(fd), longest_wait_(longest_wait), direct_(std::move(direct)), slots_(1) {
    slots_.reserve(slot_count);
}

WriteBehind::~WriteBehind() {
    if (!thread_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        changed_.notify_all();
    }
    thread_.join();
}

void WriteBehind::write(std::uint64_t offset, std::span<const std::byte> bytes) {
    std::unique_lock lock(mutex_);
    while (!bytes.empty()) {
        if (const Slot& slot = filling();
            slot.end > slot.begin && slot.start + (slot.end - slot.begin) != offset)
            hand_over(lock);
        Slot& slot = filling();
        if (!slot.memory) {
            slot.memory.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, slot_bytes)));
            if (!slot.memory) throw std::bad_alloc();
        }
        if (slot.end == slot.begin) {
            slot.start = offset;
            slot.begin = slot.end = behind_boundary(offset);
        }
        const auto part = bytes.first(std::min(bytes.size(), slot_bytes - slot.end));
        std::memcpy(slot.memory.get() + slot.end, part.data(), part.size());
        slot.end += part.size();
        offset += part.size();
        bytes = bytes.subspan(part.size());
        if (slot.end == slot_bytes) hand_over(lock);
    }
    if (longest_wait_ && !thread_.joinable()) {
        slots_.resize(slot_count);
        thread_ = std::thread([this] { run(); });
    }
}

/// Gives the slot being filled away and waits for an empty one. The first is written here: a
/// thread would cost more than a short file does.
void WriteBehind::hand_over(std::unique_lock<std::mutex>& lock) {
    if (!thread_.joinable()) {
        if (filled_ == 0) {
            put(filling());
            filling().clear();
            slots_.resize(slot_count);
            written_ = ++filled_;
            return;
        }
        thread_ = std::thread([this] { run(); });
    }
    ++filled_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return filled_ - written_ < slot_count || failure_; });
    if (failure_) throw Error(*failure_);
}

void WriteBehind::drain() {
    std::unique_lock lock(mutex_);
    if (Slot& slot = filling(); slot.end > slot.begin) {
        if (thread_.joinable()) {
            hand_over(lock);
        } else {
            put(slot);
            slot.clear();
        }
    }
    changed_.wait(lock, [&] { return filled_ == written_ || failure_; });
    if (failure_) throw Error(*failure_);
}

void WriteBehind::wait_for_work(std::unique_lock<std::mutex>& lock) {
    const auto has_work = [&] { return written_ < filled_ || stopping_; };
    if (!longest_wait_) return changed_.wait(lock, has_work);
    while (!changed_.wait_for(lock, *longest_wait_, has_work))
        if (filling().end > filling().begin) ++filled_;
}

void WriteBehind::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        wait_for_work(lock);
        if (stopping_) return;
        Slot& slot = slots_[written_ % slot_count];
        lock.unlock();
        std::optional<Error> failure;
        try {
            put(slot);
        } catch (const Error& error) {
            failure = error;
        }
        lock.lock();
        slot.clear();
        ++written_;
        failure_ = std::move(failure);
        changed_.notify_all();
        if (failure_) return;
    }
}

void WriteBehind::put(const Slot& slot) {
    const std::span<const std::byte> bytes(slot.memory.get() + slot.begin, slot.end - slot.begin);
    if (!direct_ || slot.start < cached_bytes) return put_cached(slot.start, bytes);
    const std::size_t head =
        std::min(bytes.size(), (alignment - behind_boundary(slot.start)) % alignment);
    const std::size_t whole = (bytes.size() - head) / alignment * alignment;
    put_cached(slot.start, bytes.first(head));
    put_direct(slot.start + head, bytes.subspan(head, whole));
    put_cached(slot.start + head + whole, bytes.subspan(head + whole));
}

/// What cannot be written so goes through the cache: that tells why, if it cannot either.
void WriteBehind::put_direct(std::uint64_t offset, std::span<const std::byte> bytes) {
    while (direct_ && !bytes.empty()) {
        const ssize_t count =
            ::pwrite(direct_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0 || behind_boundary(static_cast<std::uint64_t>(count)) != 0) {
            direct_ = {};
            break;
        }
        offset += static_cast<std::uint64_t>(count);
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    put_cached(offset, bytes);
}

void WriteBehind::put_cached(std::uint64_t offset, std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    sys::pwrite_all(fd_, view(bytes), offset);
    const std::uint64_t end = offset + bytes.size();
    if (end < started_back_ + writeback_bytes) return;
    ::sync_file_range(fd_, static_cast<off_t>(started_back_),
                      static_cast<off_t>(end - started_back_), SYNC_FILE_RANGE_WRITE);
    started_back_ = end;
}

}  // namespace hull
