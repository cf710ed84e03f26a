#pragma once
#include "base/hash.hh"

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace hull::transfer {

/// SHA-256 of a stream, computed by a thread of its own once the stream is long: inflating and
/// writing a layer need not wait for its diffID. The bytes are copied, which costs a twentieth of
/// what hashing them does.
class BackgroundHash {
public:
    BackgroundHash() = default;
    ~BackgroundHash();
    BackgroundHash(const BackgroundHash&) = delete;
    BackgroundHash& operator=(const BackgroundHash&) = delete;

    void update(std::span<const std::byte> bytes);
    /// Of everything; call once.
    std::string hex();

private:
    void run();
    void hand_over();
    void end();

    static constexpr std::size_t slots = 4;
    Sha256 hash_;  ///< the thread's while it runs
    std::uint64_t size_ = 0;
    std::thread thread_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::array<std::vector<std::byte>, slots> ring_;
    std::size_t filled_ = 0, hashed_ = 0;  ///< slots so far; ring_[filled_ % slots] is being filled
    bool ended_ = false;
};

}  // namespace hull::transfer
