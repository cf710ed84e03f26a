#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <span>

// As codec.hh: what includes this must link hull_transfer (or isal itself).
namespace hull::archive {

/// Compresses to one gzip member (igzip, which takes a third of zlib's time); the same bytes give
/// the same result.
class GzipWriter {
public:
    using Sink = std::function<void(std::span<const std::byte>)>;
    explicit GzipWriter(Sink sink);
    ~GzipWriter();
    void write(std::span<const std::byte> bytes) { compress(bytes, false); }
    /// Once, after the last byte.
    void finish() { compress({}, true); }

private:
    void compress(std::span<const std::byte> bytes, bool end);
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace hull::archive
