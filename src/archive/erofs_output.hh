#pragma once
#include "base/write_behind.hh"

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace hull::archive {

/// The image file being written front to back; holes stay holes of the host's file.
class ErofsOutput {
public:
    /// `direct`: see WriteBehind.
    explicit ErofsOutput(int fd, Fd direct = {}) : fd_(fd), file_(fd, std::move(direct)) {}

    std::uint64_t position() const { return position_; }
    void write(std::span<const std::byte> bytes);
    /// As write, but long runs of zeros become holes.
    void write_sparse(std::span<const std::byte> bytes);
    void write_zeros(std::uint64_t count);
    /// Leaves the next `count` bytes out; they read as zeros.
    void skip(std::uint64_t count);
    void align(std::uint64_t to);
    /// Writes what was gathered and makes the file `position()` long.
    void finish();
    /// Writes over bytes that are already behind us.
    void overwrite(std::uint64_t offset, std::span<const std::byte> bytes);

private:
    int fd_;
    WriteBehind file_;
    std::uint64_t position_ = 0;
};

}  // namespace hull::archive
