#pragma once
#include "archive/byte_source.hh"

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

// Only hull_transfer and the tests link the libraries of the codecs: a program that includes this
// header must link hull_transfer (or isal, zstd, bz2 and lzma itself).
namespace hull::archive {

enum class Compression { none, gzip, zstd, bzip2, xz };

/// By magic number; `prefix` should hold 6 bytes or more. Anything unknown is `none`.
Compression detect_compression(std::span<const std::byte> prefix);
std::string_view name_of(Compression compression);

/// A source over `inner` that looks at its first bytes and decompresses gzip (all members), zstd
/// (all frames), bzip2 and xz (all streams), or passes plain bytes on. `inner` must outlive it.
/// next() throws invalid_argument for corrupt or truncated data.
class Decompressor final : public ByteSource {
public:
    explicit Decompressor(ByteSource& inner);
    ~Decompressor() override;
    Compression compression() const { return compression_; }
    std::span<const std::byte> next() override;

private:
    std::vector<std::byte> joined_;
    Compression compression_ = Compression::none;
    std::unique_ptr<ByteSource> engine_;
};

}  // namespace hull::archive
