#include "image/image_index.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "image/images.hh"
#include "image/state.hh"
#include "oci/manifest.hh"
#include "oci/reference.hh"

#include <set>

namespace hull::image {

namespace {

constexpr const char* attestation_of = "vnd.docker.reference.type";

IndexEntry inspect_entry(store::Store& store, const oci::Descriptor& descriptor) {
    IndexEntry entry;
    entry.descriptor = descriptor;
    const auto kind = descriptor.annotations.find(attestation_of);
    entry.is_attestation =
        kind != descriptor.annotations.end() && kind->second == "attestation-manifest";
    const std::string digest = descriptor.digest.str();
    if (!store.find_blob(digest)) return entry;
    const oci::Manifest manifest =
        oci::parse_manifest(store.read_blob(digest), descriptor.media_type);
    entry.config = manifest.config.digest.str();
    entry.is_available = true;
    entry.content_bytes = static_cast<std::uint64_t>(descriptor.size);
    std::vector<const oci::Descriptor*> parts{&manifest.config};
    for (const oci::Descriptor& layer : manifest.layers) parts.push_back(&layer);
    for (const oci::Descriptor* part : parts) {
        const auto blob = store.find_blob(part->digest.str());
        if (blob) entry.content_bytes += blob->size;
        entry.is_available = entry.is_available && (blob || !part->urls.empty());
        entry.blobs.push_back(part->digest.str());
    }
    if (!entry.is_attestation && store.find_blob(entry.config))
        for (const oci::Digest& diff_id :
             oci::parse_image_config(store.read_blob(entry.config)).diff_ids)
            if (const auto layer = store.find_layer(diff_id.str()))
                entry.unpacked_bytes += layer->content_bytes;
    return entry;
}

}  // namespace

std::optional<ImageIndex> Images::read_index(const std::string& digest,
                                             const std::string& manifest) const {
    if (!store_.find_blob(digest)) return std::nullopt;
    try {
        const std::string text = store_.read_blob(digest);
        const auto document = oci::parse_manifest_or_index(text);
        const auto* index = std::get_if<oci::Index>(&document);
        if (!index ||
            (!manifest.empty() && std::none_of(index->manifests.begin(), index->manifests.end(),
                                               [&](const oci::Descriptor& entry) {
            return entry.digest.str() == manifest;
            })))
            return std::nullopt;
        ImageIndex found{digest, index->media_type, text.size(), {}};
        for (const oci::Descriptor& entry : index->manifests)
            found.entries.push_back(inspect_entry(store_, entry));
        return found;
    } catch (const Error& error) {  // the image itself is as good as before
        log::warning("index {}: {}", digest, error.message());
        return std::nullopt;
    }
}

std::optional<ImageIndex> Images::find_index(const std::string& manifest) const {
    const auto current = state();
    std::set<std::string> candidates;
    for (const auto& [reference, target] : current->digests)
        if (std::string digest = reference.substr(reference.find('@') + 1);
            digest != target.manifest)
            candidates.insert(std::move(digest));
    for (const auto& [reference, target] : current->tags)
        if (!target.built_index.empty()) candidates.insert(target.built_index);
    std::optional<ImageIndex> best;
    for (const std::string& digest : candidates) {
        auto found = read_index(digest, manifest);
        if (found && (!best || (found->is_complete() && !best->is_complete())))
            best = std::move(found);
    }
    return best;
}

std::optional<IndexEntry> Images::find_manifest(const Image& image) const {
    const auto blob = store_.find_blob(image.manifest_digest);
    if (!blob) return std::nullopt;
    oci::Descriptor descriptor;
    descriptor.digest = oci::Digest::parse(image.manifest_digest);
    descriptor.size = static_cast<std::int64_t>(blob->size);
    const auto manifest = oci::parse_manifest(store_.read_blob(image.manifest_digest));
    descriptor.media_type = manifest.media_type;
    return inspect_entry(store_, descriptor);
}

/// A pull of the same index for another platform took the name of `id`: its content stays with the
/// index, an image without a name would only puzzle.
void Images::forget_displaced(const std::string& id) {
    if (database_.query_one<std::string>(
            "SELECT reference FROM image_tags WHERE image=?1 UNION ALL "
            "SELECT reference FROM image_digests WHERE image=?1 LIMIT 1",
            id))
        return;
    if (state()->has_children(id)) return;
    for (const ContainerUse& use : container_uses())
        if (use.image_id == id) return;
    database_.execute("DELETE FROM images WHERE id=?", id);
}

}  // namespace hull::image
