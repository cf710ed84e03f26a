#include "transfer/load.hh"

#include "oci/image_config.hh"
#include "oci/manifest.hh"
#include "oci/reference.hh"
#include "transfer/archive_contents.hh"
#include "transfer/legacy_archive.hh"

#include <algorithm>

namespace hull::transfer {

namespace {

constexpr int max_index_depth = 8;

/// An image of the archive whose documents were found and checked.
struct LoadedImage {
    oci::Digest config, manifest;
    std::vector<std::string> tags;  ///< canonical
};

class Loader {
public:
    Loader(ArchiveContents& contents, Messages& messages)
        : contents_(contents), messages_(messages) {}

    void load_all();

private:
    void load_oci_layout(const ArchivedBlob& index_file);
    void load_descriptor(const oci::Descriptor& descriptor, const std::vector<std::string>& tags,
                         int depth);
    void load_index(const oci::Index& index, const std::vector<std::string>& tags, int depth);
    void load_manifest(const ArchivedBlob& blob, const oci::Manifest& manifest,
                       const std::vector<std::string>& tags);
    void load_docker_archive(const ArchivedBlob& manifest_file);
    void load_repositories(const ArchivedBlob& repositories_file);
    void load_docker_image(const ArchivedBlob& config, const std::vector<std::string>& layers,
                           const std::vector<std::string>& tags, std::string_view named_by);

    std::vector<std::string> tags_of(const oci::Descriptor& descriptor);
    std::string canonical_tag(const std::string& text);
    void check_layers(const ArchivedBlob& config, const std::vector<ArchivedBlob*>& layers,
                      const std::vector<std::string>& media_types);
    void report_blob(const ArchivedBlob& blob);
    void report_layer(const ArchivedBlob& blob, const std::string& media_type);
    void add_image(LoadedImage image);

    ArchiveContents& contents_;
    Messages& messages_;
    std::vector<LoadedImage> images_;
    std::set<oci::Digest> reported_;
    std::set<oci::Digest> reported_layers_;
};

std::string_view media_type_of(archive::Compression compression) {
    switch (compression) {
        case archive::Compression::gzip: return oci::media_type::oci_layer_gzip;
        case archive::Compression::zstd: return oci::media_type::oci_layer_zstd;
        default: return oci::media_type::oci_layer;
    }
}

void Loader::add_image(LoadedImage image) {
    // A tag names one image: the last one that the archive gives it to.
    for (LoadedImage& other : images_)
        for (const std::string& tag : image.tags) std::erase(other.tags, tag);
    const auto same = std::find_if(images_.begin(), images_.end(), [&](const LoadedImage& other) {
        return other.config == image.config;
    });
    if (same == images_.end()) {
        images_.push_back(std::move(image));
        return;
    }
    // Docker 25 describes each image twice, in index.json and manifest.json: the first one wins.
    same->tags.insert(same->tags.end(), image.tags.begin(), image.tags.end());
}

std::string Loader::canonical_tag(const std::string& text) {
    try {
        return oci::Reference::parse(text).with_default_tag().canonical();
    } catch (const Error& error) {
        throw Error(ErrorKind::invalid_argument, "the archive names an image {}: {}",
                    archive::quoted(text), error.message());
    }
}

std::vector<std::string> Loader::tags_of(const oci::Descriptor& descriptor) {
    const auto find = [&](const char* key) {
        const auto found = descriptor.annotations.find(key);
        return found == descriptor.annotations.end() ? std::string() : found->second;
    };
    // containerd's annotation is the whole name; OCI's may be anything, often only a tag.
    if (const std::string name = find("io.containerd.image.name"); !name.empty())
        return {canonical_tag(name)};
    const std::string name = find("org.opencontainers.image.ref.name");
    if (name.empty()) return {};
    if (name.find_first_of(":/@") == std::string::npos) {
        messages_.warning(
            fmt::format("the archive names an image only by the tag {}: load it by its ID", name));
        return {};
    }
    return {canonical_tag(name)};
}

void Loader::report_blob(const ArchivedBlob& blob) {
    if (reported_.insert(blob.digest).second) messages_.blob(blob.digest, blob.size, blob.file);
}

void Loader::report_layer(const ArchivedBlob& blob, const std::string& media_type) {
    report_blob(blob);
    LayerMessage message;
    message.blob = blob.digest;
    message.media_type = media_type;
    if (blob.layer) {
        message.diff_id = blob.layer->diff_id;
        message.size = blob.layer->size;
        if (!contents_.is_known_layer(message.diff_id)) message.file = blob.layer->file;
        message.entries = blob.layer->statistics.entries;
        message.content_size = blob.layer->statistics.content_bytes;
        for (const std::string& warning : blob.layer->warnings)
            messages_.warning(fmt::format("layer {}: {}", message.diff_id.str(), warning));
    } else {
        message.diff_id = blob.digest;
        message.size = blob.size;
    }
    if (reported_layers_.insert(message.diff_id).second) messages_.layer(message);
}

/// Converts what is not converted yet and compares every diffID with the config's.
void Loader::check_layers(const ArchivedBlob& config_blob, const std::vector<ArchivedBlob*>& layers,
                          const std::vector<std::string>& media_types) {
    const std::string text = contents_.text(config_blob);
    const oci::ImageConfig config = with_context([&] { return oci::parse_image_config(text); },
                                                 "image config {}", config_blob.digest.str());
    if (config.diff_ids.size() != layers.size())
        throw Error(ErrorKind::invalid_argument, "image config {} lists {} layers, not {}",
                    config_blob.digest.str(), config.diff_ids.size(), layers.size());
    std::vector<std::string> lower_files;  // nearest first
    for (std::size_t i = 0; i < layers.size(); ++i) {
        ArchivedBlob& blob = *layers[i];
        const oci::Digest& expected = config.diff_ids[i];
        with_context(
            [&] {
            if (!blob.known_layer) contents_.convert(blob, lower_files);
            const oci::Digest& actual = blob.layer ? blob.layer->diff_id : blob.digest;
            if (actual != expected)
                throw Error(ErrorKind::data_loss, "unpacks to {}, but the image config says {}",
                            actual.str(), expected.str());
            },
            "layer {} of {}, {}", i + 1, layers.size(), blob.digest.str());
        if (blob.layer) lower_files.insert(lower_files.begin(), blob.layer->file);
    }
    report_blob(config_blob);
    for (std::size_t i = 0; i < layers.size(); ++i) report_layer(*layers[i], media_types[i]);
}

void Loader::load_manifest(const ArchivedBlob& blob, const oci::Manifest& manifest,
                           const std::vector<std::string>& tags) {
    const std::string named_by = "manifest " + blob.digest.str();
    const ArchivedBlob& config = contents_.get(manifest.config.digest, named_by);
    if (manifest.config.media_type != oci::media_type::oci_config &&
        manifest.config.media_type != oci::media_type::docker_config)
        throw Error(ErrorKind::unsupported, "{} is not of a container image but of type {}",
                    named_by, archive::quoted(manifest.config.media_type));
    std::vector<ArchivedBlob*> layers;
    std::vector<std::string> media_types;
    for (const oci::Descriptor& layer : manifest.layers) {
        ArchivedBlob& found = contents_.get(layer.digest, named_by);
        if (layer.size >= 0 && static_cast<std::uint64_t>(layer.size) != found.size)
            throw Error(ErrorKind::data_loss, "layer {} has {} bytes, {} says {}",
                        layer.digest.str(), found.size, named_by, layer.size);
        layers.push_back(&found);
        media_types.push_back(layer.media_type);
    }
    check_layers(config, layers, media_types);
    report_blob(blob);
    add_image({config.digest, blob.digest, tags});
}

void Loader::load_descriptor(const oci::Descriptor& descriptor,
                             const std::vector<std::string>& tags, int depth) {
    if (depth > max_index_depth)
        throw Error(ErrorKind::invalid_argument, "indexes are nested more than {} deep",
                    max_index_depth);
    const ArchivedBlob& blob = contents_.get(descriptor.digest, "index.json");
    const auto document = with_context(
        [&] { return oci::parse_manifest_or_index(contents_.text(blob), descriptor.media_type); },
        "manifest {}", blob.digest.str());
    if (const auto* index = std::get_if<oci::Index>(&document))
        load_index(*index, tags, depth + 1);
    else
        load_manifest(blob, std::get<oci::Manifest>(document), tags);
}

bool is_attestation(const oci::Descriptor& descriptor) {
    const auto type = descriptor.annotations.find("vnd.docker.reference.type");
    return (type != descriptor.annotations.end() && type->second == "attestation-manifest") ||
           (descriptor.platform && descriptor.platform->os == "unknown");
}

/// One image for several platforms: takes the one for this machine.
void Loader::load_index(const oci::Index& index, const std::vector<std::string>& tags, int depth) {
    oci::Index present = index;
    std::string offered;
    std::erase_if(present.manifests, is_attestation);
    for (const oci::Descriptor& descriptor : present.manifests)
        if (descriptor.platform)
            offered += (offered.empty() ? "" : ", ") + descriptor.platform->str();
    // An archive may hold only some of the platforms its index lists.
    std::erase_if(present.manifests, [&](const oci::Descriptor& descriptor) {
        return contents_.find(descriptor.digest) == nullptr;
    });
    const oci::Descriptor* chosen = oci::find_platform(present, oci::host_platform());
    if (!chosen && present.manifests.size() == 1 && !present.manifests[0].platform)
        chosen = &present.manifests[0];
    if (!chosen)
        throw Error(ErrorKind::not_found, "the archive has no image for {} (its index lists: {})",
                    oci::host_platform().str(), offered.empty() ? "none" : offered);
    load_descriptor(*chosen, tags, depth);
}

void Loader::load_oci_layout(const ArchivedBlob& index_file) {
    const oci::Index index = with_context(
        [&] { return oci::parse_index(contents_.text(index_file), oci::media_type::oci_index); },
        "index.json");
    // Descriptors of one name are one image for several platforms.
    std::vector<std::pair<std::vector<std::string>, oci::Index>> groups;
    for (const oci::Descriptor& descriptor : index.manifests) {
        if (is_attestation(descriptor)) continue;
        const std::vector<std::string> tags = tags_of(descriptor);
        auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& other) {
            return !tags.empty() && other.first == tags;
        });
        if (group == groups.end()) group = groups.insert(group, {tags, {}});
        group->second.manifests.push_back(descriptor);
    }
    for (const auto& [tags, group] : groups)
        if (group.manifests.size() == 1)
            load_descriptor(group.manifests[0], tags, 0);
        else
            load_index(group, tags, 0);
}

void Loader::load_docker_image(const ArchivedBlob& config,
                               const std::vector<std::string>& layer_names,
                               const std::vector<std::string>& tags, std::string_view named_by) {
    std::vector<std::string> canonical;
    for (const std::string& tag : tags) canonical.push_back(canonical_tag(tag));
    const auto described = std::find_if(images_.begin(), images_.end(), [&](const auto& image) {
        return image.config == config.digest;
    });
    if (described != images_.end())
        return add_image({config.digest, described->manifest, canonical});

    std::vector<ArchivedBlob*> layers;
    std::vector<std::string> media_types;
    for (const std::string& name : layer_names) layers.push_back(&contents_.get(name, named_by));
    oci::Manifest manifest;
    for (ArchivedBlob* layer : layers) {
        const Fd file = contents_.open(*layer);
        archive::FdSource source(file.get(), 4096);
        media_types.emplace_back(media_type_of(archive::detect_compression(peek(source))));
        oci::Descriptor descriptor;
        descriptor.media_type = media_types.back();
        descriptor.digest = layer->digest;
        descriptor.size = static_cast<std::int64_t>(layer->size);
        manifest.layers.push_back(std::move(descriptor));
    }
    check_layers(config, layers, media_types);
    manifest.config.media_type = oci::media_type::oci_config;
    manifest.config.digest = config.digest;
    manifest.config.size = static_cast<std::int64_t>(config.size);
    const ArchivedBlob& manifest_blob = contents_.add(json::dump(oci::to_json(manifest)));
    report_blob(manifest_blob);
    add_image({config.digest, manifest_blob.digest, canonical});
}

void Loader::load_docker_archive(const ArchivedBlob& manifest_file) {
    const json::Value items =
        with_context([&] { return json::parse(contents_.text(manifest_file)); }, "manifest.json");
    if (!items.is_array()) throw Error(ErrorKind::invalid_argument, "manifest.json is not a list");
    for (const json::Value& item : items.as_array()) {
        const auto [config, layers, tags] = with_context(
            [&] {
            return std::tuple(item["Config"].as_string(), item["Layers"].as_strings(),
                              item["RepoTags"].as_strings());
            },
            "manifest.json");
        load_docker_image(contents_.get(config, "manifest.json"), layers, tags, "manifest.json");
    }
}

void Loader::load_repositories(const ArchivedBlob& repositories_file) {
    const json::Value repositories = with_context(
        [&] { return json::parse(contents_.text(repositories_file)); }, "repositories");
    for (const auto& [repository, tags] : repositories.as_object())
        for (const auto& [tag, id] : tags.as_object()) {
            LegacyImage image = with_context(
                [&, &top = id.as_string()] { return read_legacy_image(contents_, top); },
                "image {}:{}", repository, tag);
            const ArchivedBlob& config = contents_.add(image.config);
            load_docker_image(config, image.layers, {repository + ":" + tag}, "repositories");
        }
}

void Loader::load_all() {
    // The OCI layout first: its manifests keep their digests, manifest.json only adds names.
    const ArchivedBlob* index = contents_.find("index.json");
    const ArchivedBlob* manifest = contents_.find("manifest.json");
    const ArchivedBlob* repositories = contents_.find("repositories");
    if (index) load_oci_layout(*index);
    if (manifest) load_docker_archive(*manifest);
    if (!index && !manifest && repositories) load_repositories(*repositories);
    if (!index && !manifest && !repositories)
        throw Error(ErrorKind::invalid_argument,
                    "not an image archive: it has neither manifest.json nor index.json (a root "
                    "file system is imported with `import`)");
    if (images_.empty()) throw Error(ErrorKind::invalid_argument, "the archive holds no image");
    for (const LoadedImage& image : images_)
        messages_.image(image.config, image.manifest, image.tags);
}

}  // namespace

void load(archive::ByteSource& stream, Staging& staging, Messages& messages,
          std::set<std::string> known_layers) {
    ArchiveContents contents(staging, messages, std::move(known_layers));
    archive::Decompressor plain(stream);
    contents.read(plain);
    Loader(contents, messages).load_all();
}

}  // namespace hull::transfer
