#pragma once
#include "transfer/layer.hh"
#include "transfer/messages.hh"
#include "transfer/staging.hh"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace hull::transfer {

/// One file of an image archive, spooled to staging; its layer image too where it is one.
struct ArchivedBlob {
    oci::Digest digest;
    std::uint64_t size = 0;
    std::string file;
    std::optional<ConvertedLayer> layer;
    /// The daemon has this layer: it was not converted. Only of uncompressed ones.
    bool known_layer = false;
};

/// The files of a `docker save` or OCI layout tar by name, read once, front to back, whatever the
/// order. Bytes that look like a layer are converted in the same pass.
class ArchiveContents {
public:
    /// `known_layers` are diffIDs that need no conversion.
    ArchiveContents(Staging& staging, Messages& messages, std::set<std::string> known_layers)
        : staging_(staging), messages_(messages), known_layers_(std::move(known_layers)) {}

    /// Reads the whole (decompressed) stream. Throws data_loss when a file in blobs/sha256/ does
    /// not hash to its name, invalid_argument for names and links that lead outside.
    void read(archive::ByteSource& stream);

    /// By name; links are followed. nullptr when there is none.
    ArchivedBlob* find(std::string_view name);
    ArchivedBlob* find(const oci::Digest& digest);
    /// Throws not_found saying who names it.
    ArchivedBlob& get(std::string_view name, std::string_view named_by);
    ArchivedBlob& get(const oci::Digest& digest, std::string_view named_by);
    /// A JSON document's text.
    std::string text(const ArchivedBlob& blob) const;

    Fd open(const ArchivedBlob& blob) const { return staging_.open(blob.file); }

    /// Adds bytes of our own making.
    ArchivedBlob& add(std::string_view content);

    /// Makes `blob` a converted layer if it is not one yet, on top of `lower_files`.
    void convert(ArchivedBlob& blob, std::span<const std::string> lower_files);
    bool is_known_layer(const oci::Digest& diff_id) const {
        return known_layers_.contains(diff_id.str());
    }

private:
    void read_file(const std::string& name, std::uint64_t size, archive::ByteSource& data);

    Staging& staging_;
    Messages& messages_;
    std::set<std::string> known_layers_;
    std::map<std::string, oci::Digest, std::less<>> names_;
    std::map<std::string, std::string, std::less<>> links_;
    std::map<oci::Digest, ArchivedBlob> blobs_;
};

}  // namespace hull::transfer
