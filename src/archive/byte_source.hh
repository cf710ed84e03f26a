#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace hull::archive {

/// A stream of bytes that is pulled chunk by chunk, so that large data is never copied between
/// stages: descriptor -> hash -> decompressor -> hash -> tar reader.
class ByteSource {
public:
    virtual ~ByteSource() = default;
    /// The next bytes, valid until the next call; empty at the end of the stream, and then for
    /// ever. May block.
    virtual std::span<const std::byte> next() = 0;
};

/// Reads a descriptor (file, pipe, socket) in chunks of up to `chunk_bytes`. Does not own it.
class FdSource final : public ByteSource {
public:
    explicit FdSource(int fd, std::size_t chunk_bytes = 256UL << 10);
    std::span<const std::byte> next() override;

private:
    int fd_;
    std::vector<std::byte> buffer_;
};

/// Bytes that are in memory already; does not copy them.
class MemorySource final : public ByteSource {
public:
    explicit MemorySource(std::string_view bytes, std::size_t chunk_bytes = SIZE_MAX)
        : left_(std::as_bytes(std::span(bytes))), chunk_bytes_(chunk_bytes) {}
    std::span<const std::byte> next() override;

private:
    std::span<const std::byte> left_;
    std::size_t chunk_bytes_;
};

/// `first` in front of what `rest` still gives: for bytes that were pulled to look at them.
class PrefixedSource final : public ByteSource {
public:
    PrefixedSource(std::span<const std::byte> first, ByteSource& rest)
        : first_(first), rest_(rest) {}
    std::span<const std::byte> next() override {
        if (!first_.empty()) return std::exchange(first_, {});
        return rest_.next();
    }

private:
    std::span<const std::byte> first_;
    ByteSource& rest_;
};

/// Passes every byte of `inner` on and shows it to `observe` first (a hash, a spool file).
class TeeSource final : public ByteSource {
public:
    using Observer = std::function<void(std::span<const std::byte>)>;
    TeeSource(ByteSource& inner, Observer observe) : inner_(inner), observe_(std::move(observe)) {}
    std::span<const std::byte> next() override;

private:
    ByteSource& inner_;
    Observer observe_;
};

/// Pulls to the end and drops the bytes; returns how many there were.
std::uint64_t drain(ByteSource& source);

}  // namespace hull::archive
