#include "archive/byte_source.hh"

#include "base/sys.hh"

#include <algorithm>

namespace hull::archive {

FdSource::FdSource(int fd, std::size_t chunk_bytes) : fd_(fd), buffer_(chunk_bytes) {}

std::span<const std::byte> FdSource::next() {
    return std::span(buffer_).first(sys::read(fd_, buffer_));
}

std::span<const std::byte> MemorySource::next() {
    const auto chunk = left_.first(std::min(left_.size(), chunk_bytes_));
    left_ = left_.subspan(chunk.size());
    return chunk;
}

std::span<const std::byte> TeeSource::next() {
    const auto chunk = inner_.next();
    if (!chunk.empty()) observe_(chunk);
    return chunk;
}

std::uint64_t drain(ByteSource& source) {
    std::uint64_t total = 0;
    for (auto chunk = source.next(); !chunk.empty(); chunk = source.next()) total += chunk.size();
    return total;
}

}  // namespace hull::archive
