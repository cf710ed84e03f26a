#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hull::archive {

/// The image file being written front to back: small writes are gathered, large ones go straight
/// through, holes stay holes of the host's file.
class ErofsOutput {
public:
    explicit ErofsOutput(int fd);

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
    void flush();
    void start_writeback();

    int fd_;
    std::vector<std::byte> buffer_;
    std::size_t used_ = 0;
    std::uint64_t position_ = 0;
    std::uint64_t handed_over_ = 0;  ///< what is before was given to the disk
};

}  // namespace hull::archive
