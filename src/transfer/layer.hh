#pragma once
#include "archive/byte_source.hh"
#include "archive/codec.hh"
#include "archive/erofs_writer.hh"
#include "transfer/staging.hh"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace hull::transfer {

/// A layer that was turned into an EROFS image in staging.
struct ConvertedLayer {
    oci::Digest diff_id;
    archive::Compression compression = archive::Compression::none;
    std::uint64_t size = 0;  ///< uncompressed
    std::string file;
    archive::ErofsStatistics statistics;
    std::vector<std::string> warnings;
    bool end_marker_seen = false;  ///< see TarReader
};

/// Thrown as the reason why a layer cannot be converted on its own: it links to a lower layer.
class NeedsLowerLayers : public Error {
public:
    explicit NeedsLowerLayers(const archive::UnresolvedLink& link);
};

/// Whether these first bytes (512 or more, unless the stream is shorter) begin a layer: a tar
/// header, an empty tar, or a compression that layers have.
bool looks_like_layer(std::span<const std::byte> head);

/// Pulls until 512 bytes are at hand or the stream ends.
std::vector<std::byte> peek(archive::ByteSource& source);

/// Whether convert_layer hashes a tar that came uncompressed, or leaves `diff_id` empty because its
/// caller hashes the same bytes anyway.
enum class Hashing { always, compressed_only };

/// Reads a layer tar, plain or compressed, to the end of `source` and makes its EROFS image. Hard
/// links into lower layers become copies of what `lower_files` (EROFS images in staging, nearest
/// first) hold there; NeedsLowerLayers when they hold nothing. Nothing is left in staging when it
/// throws.
/// A layer that unpacks to more than `max_bytes` is refused, as is one that would fill the disk.
ConvertedLayer convert_layer(Staging& staging, archive::ByteSource& source,
                             std::span<const std::string> lower_files = {},
                             Hashing hashing = Hashing::always,
                             std::uint64_t max_bytes = UINT64_MAX);

}  // namespace hull::transfer
