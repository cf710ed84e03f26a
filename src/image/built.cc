// Images whose layers come one by one, from a build.
#include "base/error.hh"
#include "base/json.hh"
#include "base/sys.hh"
#include "image/images.hh"
#include "image/state.hh"
#include "image/transfer_run.hh"
#include "oci/manifest.hh"
#include "oci/reference.hh"
#include "store/space.hh"

#include <algorithm>

namespace hull::image {

std::optional<BuiltLayer> Images::add_layer(int input_fd, store::Lease& lease, StopEvent* stop) {
    const store::StagingDirectory staging = store_.make_staging(options_.transfer_uid);
    std::string known;
    for (const std::string& diff_id : store_.known_layers(lease)) known += diff_id + "\n";
    const Path known_file = join(staging.path(), "known");
    TransferCommand command;
    command.program = options_.transfer_program;
    command.verb = "layer";
    command.uid = options_.transfer_uid;
    command.staging = staging.path();
    command.arguments = {"--known", known_file};
    command.input_fd = input_fd;
    try {
        write_file(known_file, known, 0644);
        const TransferReport report = run_transfer(command, nullptr, stop);
        if (report.layers.empty()) return std::nullopt;
        const TransferReport::Layer& told = report.layers.front();
        if (report.layers.size() != 1 || report.content.blobs.size() != 1 ||
            report.content.blobs.front().digest != told.blob)
            throw Error(ErrorKind::data_loss, "hull-transfer did not make one layer");
        if (!report.present_layers.empty() && !store_.find_layer(told.diff_id))
            throw Error(ErrorKind::data_loss, "hull-transfer did not bring layer {}", told.diff_id);
        store_.adopt(staging, report.content, lease);
        return BuiltLayer{told.diff_id, told.blob, told.media_type,
                          report.content.blobs.front().size, told.content_bytes};
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::internal) throw;
        throw Error(error.kind(), "{}{}", error.message(),
                    store::describe_shortage(staging.path(), known.size() + (64UL << 10)));
    }
}

std::vector<BuiltLayer> Images::list_layers(const Image& image) {
    const auto manifest = oci::parse_manifest(store_.read_blob(image.manifest_digest));
    if (manifest.layers.size() != image.diff_ids.size())
        throw Error(ErrorKind::data_loss, "image {}: manifest and config disagree", image.id);
    std::vector<BuiltLayer> layers;
    for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
        const oci::Descriptor& descriptor = manifest.layers[i];
        const auto layer = store_.find_layer(image.diff_ids[i]);
        layers.push_back({image.diff_ids[i], descriptor.digest.str(), descriptor.media_type,
                          static_cast<std::uint64_t>(descriptor.size),
                          layer ? layer->content_bytes : 0});
    }
    return layers;
}

AddedImage Images::add_image(const NewImage& image) {
    std::vector<std::string> references;
    for (const std::string& reference : image.references)
        references.push_back(oci::Reference::parse(reference).with_default_tag().canonical());
    store::Lease lease = store_.make_lease();
    oci::Manifest manifest;
    manifest.config.media_type = oci::media_type::oci_config;
    manifest.config.digest = oci::Digest::of(image.config);
    manifest.config.size = static_cast<std::int64_t>(image.config.size());
    for (const BuiltLayer& layer : image.layers) {
        lease.add_blob(layer.blob);
        lease.add_layer(layer.diff_id);
        if (!store_.find_blob(layer.blob) || !store_.find_layer(layer.diff_id))
            throw Error(ErrorKind::data_loss, "layer {} is missing from the store", layer.diff_id);
        oci::Descriptor& descriptor = manifest.layers.emplace_back();
        descriptor.media_type = layer.media_type;
        descriptor.digest = oci::Digest::parse(layer.blob);
        descriptor.size = static_cast<std::int64_t>(layer.blob_bytes);
    }
    manifest.annotations = image.annotations;
    const std::string manifest_text = json::dump(oci::to_json(manifest));
    std::vector<Event> events;
    const auto tell_tags = [&](const Image& made) {
        for (const std::string& reference : references)
            events.push_back({"tag", made.id, oci::Reference::parse(reference).familiar(),
                              made.config.config.labels});
    };
    // What is there under these names costs no wait for the disk.
    const auto current = state();
    const ImagePointer known = current->find(oci::Digest::of(image.config).str());
    if (known && known->manifest_digest == oci::Digest::of(manifest_text).str() &&
        (image.parent.empty() || !known->parent.empty()) &&
        std::all_of(references.begin(), references.end(), [&](const std::string& reference) {
            const std::string name = oci::Reference::parse(reference).familiar();
            if (std::find(known->repo_tags.begin(), known->repo_tags.end(), name) ==
                known->repo_tags.end())
                return false;
            const State::Target& target = current->tags.at(reference);
            return target.built_index.empty() && target.manifest == known->manifest_digest;
        })) {
        tell_tags(*known);
        emit(events);
        return {known->id, known->manifest_digest};
    }
    const std::string id = store_.put_blob(image.config, oci::media_type::oci_config, lease);
    const std::string manifest_digest =
        store_.put_blob(manifest_text, oci::media_type::oci_manifest, lease);
    {
        const std::lock_guard changing(change_mutex_);
        db::Transaction transaction = database_.begin();
        write_image({id, manifest_digest, {}, {}});
        if (!image.parent.empty())
            database_.execute("UPDATE images SET parent=? WHERE id=? AND parent=''", image.parent,
                              id);
        for (const std::string& reference : references) write_tag(reference, id, manifest_digest);
        transaction.commit();
        database_.sync();
        reload();
        tell_tags(*get_image(id));
    }
    emit(events);
    return {id, manifest_digest};
}

}  // namespace hull::image
