// Several manifests under one name, as a build for several platforms makes them.
#include "base/error.hh"
#include "base/json.hh"
#include "base/time.hh"
#include "image/image_index.hh"
#include "image/images.hh"
#include "image/state.hh"
#include "oci/manifest.hh"
#include "oci/reference.hh"

#include <algorithm>

namespace hull::image {

namespace {

constexpr std::string_view in_toto_type = "application/vnd.in-toto+json";

oci::Descriptor describe(std::string_view text, std::string_view media_type) {
    oci::Descriptor descriptor;
    descriptor.media_type = media_type;
    descriptor.digest = oci::Digest::of(text);
    descriptor.size = static_cast<std::int64_t>(text.size());
    return descriptor;
}

/// The manifest that holds what is said of `subject`. Source: BuildKit, docs/attestations.
oci::Descriptor add_statements(store::Store& store, store::Lease& lease,
                               const std::vector<NewIndex::Statement>& statements,
                               const std::string& subject) {
    oci::Manifest manifest;
    json::Array diff_ids;
    for (const NewIndex::Statement& statement : statements) {
        store.put_blob(statement.text, in_toto_type, lease);
        oci::Descriptor layer = describe(statement.text, in_toto_type);
        layer.annotations["in-toto.io/predicate-type"] = statement.predicate_type;
        diff_ids.push_back(layer.digest.str());
        manifest.layers.push_back(std::move(layer));
    }
    const std::string config = json::dump(json::Object{
        {"architecture", "unknown"},
        {"os", "unknown"},
        {"config", json::Object()},
        {"rootfs", json::Object{{"type", "layers"}, {"diff_ids", std::move(diff_ids)}}}});
    store.put_blob(config, oci::media_type::oci_config, lease);
    manifest.config = describe(config, oci::media_type::oci_config);
    const std::string text = json::dump(oci::to_json(manifest));
    store.put_blob(text, oci::media_type::oci_manifest, lease);
    oci::Descriptor descriptor = describe(text, oci::media_type::oci_manifest);
    descriptor.annotations = {{"vnd.docker.reference.type", "attestation-manifest"},
                              {"vnd.docker.reference.digest", subject}};
    descriptor.platform.emplace();
    descriptor.platform->os = descriptor.platform->architecture = "unknown";
    return descriptor;
}

}  // namespace

AddedIndex Images::add_index(const NewIndex& index) {
    std::vector<std::string> references;
    for (const std::string& reference : index.references)
        references.push_back(oci::Reference::parse(reference).with_default_tag().canonical());
    store::Lease lease = store_.make_lease();
    std::vector<store::Lease> leases;
    oci::Index document;
    document.annotations = index.annotations;
    std::vector<oci::Descriptor> statements;
    const NewIndex::Member* named = nullptr;
    int best = 0;
    for (const NewIndex::Member& member : index.members) {
        const ImagePointer image = get_image(member.image.id);
        leases.push_back(lease_image(*image));
        lease.add_blob(member.image.manifest);
        const std::string text = store_.read_blob(member.image.manifest);
        oci::Descriptor descriptor = describe(text, oci::media_type::oci_manifest);
        descriptor.platform = image->config.platform;
        descriptor.annotations = member.annotations;
        document.manifests.push_back(std::move(descriptor));
        if (!member.statements.empty())
            statements.push_back(
                add_statements(store_, lease, member.statements, member.image.manifest));
        const int fit = oci::match(oci::host_platform(), image->config.platform);
        if (!named || fit > best) named = &member;
        best = std::max(best, fit);
    }
    document.manifests.insert(document.manifests.end(), statements.begin(), statements.end());
    const std::string digest =
        store_.put_blob(json::dump(oci::to_json(document)), oci::media_type::oci_index, lease);
    if (references.empty()) return {digest, named->image.id};
    std::vector<Event> events;
    {
        const std::lock_guard changing(change_mutex_);
        db::Transaction transaction = database_.begin();
        for (const std::string& reference : references)
            write_tag(reference, named->image.id, named->image.manifest, digest);
        for (const NewIndex::Member& member : index.members)
            if (&member != named) forget_displaced(member.image.id);
        transaction.commit();
        database_.sync();
        reload();
        const ImagePointer image = get_image(named->image.id);
        for (const std::string& reference : references)
            events.push_back({"tag", image->id, oci::Reference::parse(reference).familiar(),
                              image->config.config.labels});
    }
    emit(events);
    return {digest, named->image.id};
}

std::string Images::find_built_index(std::string_view name) const {
    const auto current = state();
    if (oci::looks_like_id(name) || oci::Digest::find(name)) return "";
    const auto tag = current->tags.find(oci::Reference::parse(name).with_default_tag().canonical());
    return tag == current->tags.end() ? "" : tag->second.built_index;
}

ImagePointer Images::find_platform(const ImagePointer& image, const oci::Platform& platform) const {
    if (image->config.platform.architecture.empty() ||
        oci::match(platform, image->config.platform) > 0)
        return image;
    const auto index = find_index(image->manifest_digest);
    if (!index) return nullptr;
    const IndexEntry* chosen = nullptr;
    int best = 0;
    for (const IndexEntry& entry : index->entries) {
        if (!entry.is_available || entry.is_attestation || !entry.descriptor.platform) continue;
        const int fit = oci::match(platform, *entry.descriptor.platform);
        if (fit > best) chosen = &entry;
        best = std::max(best, fit);
    }
    if (!chosen) return nullptr;
    if (ImagePointer listed = state()->find(chosen->config)) return listed;
    auto found = std::make_shared<Image>();
    found->id = chosen->config;
    found->manifest_digest = chosen->descriptor.digest.str();
    found->config = oci::parse_image_config(store_.read_blob(found->id));
    for (const oci::Digest& diff_id : found->config.diff_ids) {
        const auto layer = store_.find_layer(diff_id.str());
        if (!layer) return nullptr;
        found->diff_ids.push_back(diff_id.str());
        found->size_bytes += layer->content_bytes;
    }
    found->created_ns = parse_rfc3339(found->config.created).value_or(0);
    return found;
}

}  // namespace hull::image
