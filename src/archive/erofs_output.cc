#include "archive/erofs_output.hh"

#include "archive/erofs_format.hh"
#include "base/error.hh"
#include "base/sys.hh"

#include <algorithm>
#include <cstring>

namespace hull::archive {

namespace {

constexpr std::size_t hole_bytes = 64UL << 10;
/// 32-bit block addresses.
constexpr std::uint64_t max_image_bytes = erofs::block_bytes << 32;

std::string_view view(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool all_zero(std::span<const std::byte> bytes) {
    return bytes.empty() || (bytes[0] == std::byte{0} &&
                             std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

void ErofsOutput::write(std::span<const std::byte> bytes) {
    file_.write(position_, bytes);
    position_ += bytes.size();
}

void ErofsOutput::write_sparse(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        std::size_t data = 0;
        while (bytes.size() - data >= hole_bytes && !all_zero(bytes.subspan(data, hole_bytes)))
            data += hole_bytes;
        if (bytes.size() - data < hole_bytes) data = bytes.size();
        write(bytes.first(data));
        bytes = bytes.subspan(data);
        std::size_t hole = 0;
        while (bytes.size() - hole >= hole_bytes && all_zero(bytes.subspan(hole, hole_bytes)))
            hole += hole_bytes;
        skip(hole);
        bytes = bytes.subspan(hole);
    }
}

void ErofsOutput::write_zeros(std::uint64_t count) {
    static constexpr std::byte zeros[erofs::block_bytes] = {};
    while (count > 0) {
        const std::uint64_t part = std::min<std::uint64_t>(count, sizeof zeros);
        write(std::span(zeros).first(part));
        count -= part;
    }
}

void ErofsOutput::skip(std::uint64_t count) {
    if (count > max_image_bytes - position_)
        throw Error(ErrorKind::invalid_argument, "the layer is larger than 16 TiB");
    if (count < hole_bytes) return write_zeros(count);
    position_ += count;
}

void ErofsOutput::align(std::uint64_t to) { write_zeros((to - position_ % to) % to); }

void ErofsOutput::finish() {
    file_.drain();
    sys::ftruncate(fd_, position_);
}

void ErofsOutput::overwrite(std::uint64_t offset, std::span<const std::byte> bytes) {
    file_.drain();
    sys::pwrite_all(fd_, view(bytes), offset);
}

}  // namespace hull::archive
