#include "transfer/remote_image.hh"

#include "base/text.hh"
#include "oci/descriptor.hh"
#include "oci/reference.hh"

namespace hull::transfer {

namespace {

constexpr int max_index_depth = 3;
constexpr std::int64_t max_config_bytes = 8 << 20;

bool is_config_type(std::string_view type) {
    return type == oci::media_type::oci_config || type == oci::media_type::docker_config ||
           type.empty();
}

}  // namespace

void throw_pull_error(const registry_client::ReplyError& error, const std::string& shown,
                      const std::string& familiar_name) {
    if (error.code() == "DENIED" || (error.status() == 403 && error.code().empty()))
        throw Error(ErrorKind::not_found,
                    "pull access denied for {}, repository does not exist or may require 'docker "
                    "login': {}",
                    familiar_name, error.message());
    if (error.code() == "MANIFEST_UNKNOWN" || error.code() == "NOT_FOUND" ||
        (error.status() == 404 && error.code().empty()))
        throw Error(ErrorKind::not_found, "manifest for {} not found: {}", shown, error.message());
    if (error.code() == "NAME_UNKNOWN")
        throw Error(ErrorKind::not_found, "repository {} not found: {}", familiar_name,
                    error.message());
    throw registry_client::ReplyError(error.kind(), error.status(), error.code(),
                                      shown + ": " + error.message());
}

RemoteRepository::RemoteRepository(const registry_client::Configuration& configuration,
                                   const std::string& name,
                                   const registry_client::Credentials& credentials)
    : client_(configuration.network) {
    const oci::Reference reference = oci::Reference::parse(name);
    domain_ = reference.domain();
    path_ = reference.path();
    for (registry_client::Endpoint& endpoint : configuration.endpoints(domain_, credentials))
        registries_.push_back(std::make_unique<registry_client::Registry>(client_, configuration,
                                                                          std::move(endpoint)));
}

std::string RemoteRepository::shown(const std::string& reference) const {
    const std::string name = oci::Reference::parse(domain_ + "/" + path_).familiar_name();
    return name + (reference.find(':') == std::string::npos ? ":" : "@") + reference;
}

std::vector<registry_client::Registry*> RemoteRepository::registries() const {
    std::vector<registry_client::Registry*> all{registries_[chosen_].get()};
    for (std::size_t i = 0; i < registries_.size(); ++i)
        if (i != chosen_) all.push_back(registries_[i].get());
    return all;
}

void RemoteRepository::on_first(const std::function<void(registry_client::Registry&)>& attempt) {
    for (std::size_t i = 0;; ++i) {
        try {
            attempt(*registries_[i]);
            chosen_ = i;
            return;
        } catch (const Error&) {
            if (i + 1 == registries_.size()) throw;
        }
    }
}

std::optional<oci::Digest> RemoteRepository::find_digest(const std::string& reference) {
    std::optional<oci::Digest> digest;
    try {
        on_first([&](registry_client::Registry& registry) {
            digest = registry.find_digest(path_, reference);
        });
    } catch (const registry_client::ReplyError&) {
        // GET will fail as well, and say why.
    }
    return digest;
}

registry_client::Document RemoteRepository::get_document(const std::string& reference) {
    registry_client::Document document;
    try {
        on_first([&](registry_client::Registry& registry) {
            document = registry.get_manifest(path_, reference);
        });
    } catch (const registry_client::ReplyError& error) {
        throw_pull_error(error, shown(reference),
                         oci::Reference::parse(domain_ + "/" + path_).familiar_name());
    } catch (Error& error) {
        if (error.kind() != ErrorKind::unavailable && error.kind() != ErrorKind::unauthorized)
            error.add_context(shown(reference));
        throw;
    }
    return document;
}

RemoteImage RemoteRepository::get_image(const std::string& reference, const oci::Platform& platform,
                                        bool platform_was_asked) {
    RemoteImage image;
    image.top = get_document(reference);
    const registry_client::Document* document = &image.top;
    for (int depth = 0;; ++depth) {
        auto parsed = with_context(
            [&] { return oci::parse_manifest_or_index(document->text, document->media_type); },
            "manifest of {}", shown(reference));
        if (auto* manifest = std::get_if<oci::Manifest>(&parsed)) {
            image.manifest = std::move(*manifest);
            break;
        }
        const auto& index = std::get<oci::Index>(parsed);
        const oci::Descriptor* chosen = oci::find_platform(index, platform);
        if (!chosen)
            throw Error(ErrorKind::not_found,
                        "no matching manifest for {} in the manifest list entries of {}",
                        platform.str(), shown(reference));
        if (depth == max_index_depth)
            throw Error(ErrorKind::invalid_argument, "manifest of {}: indexes nested too deep",
                        shown(reference));
        registry_client::Document next = get_document(chosen->digest.str());
        if (static_cast<std::int64_t>(next.text.size()) != chosen->size)
            throw Error(ErrorKind::data_loss, "{}: manifest {} has {} bytes, the index says {}",
                        shown(reference), chosen->digest.str(), next.text.size(), chosen->size);
        if (next.media_type.empty() || next.media_type == "application/octet-stream")
            next.media_type = chosen->media_type;
        image.selected = std::move(next);
        document = &*image.selected;
    }
    check_layers(image, reference);

    const oci::Descriptor& config = image.manifest.config;
    with_context(
        [&] {
        const auto embedded = decode_base64(config.data);
        if (!config.data.empty() && embedded &&
            oci::Digest::of(*embedded, config.digest) == config.digest) {
            image.config_text = *embedded;
        } else {
            on_first([&](registry_client::Registry& registry) {
                image.config_text = registry.get_blob(path_, config.digest,
                                                      static_cast<std::uint64_t>(config.size));
            });
        }
        image.config = oci::parse_image_config(image.config_text);
        if (image.config.diff_ids.size() != image.manifest.layers.size())
            throw Error(ErrorKind::data_loss, "it has {} layers, the manifest has {}",
                        image.config.diff_ids.size(), image.manifest.layers.size());
        },
        "{}: config {}", shown(reference), config.digest.str());
    const oci::Platform& offered = image.config.platform;
    if (!offered.os.empty() && offered.os != platform.os && !platform_was_asked)
        throw Error(ErrorKind::invalid_argument,
                    "{}: image operating system \"{}\" cannot be used on this platform: operating "
                    "system is not supported",
                    shown(reference), offered.os);
    if (platform_was_asked && !offered.architecture.empty() && oci::match(platform, offered) == 0)
        throw Error(ErrorKind::not_found,
                    "image with reference {} was found but its platform ({}) does not match the "
                    "specified platform ({})",
                    shown(reference), offered.str(), platform.str());
    return image;
}

void RemoteRepository::check_layers(const RemoteImage& image, const std::string& reference) const {
    const oci::Manifest& manifest = image.manifest;
    if (!is_config_type(manifest.config.media_type))
        throw Error(
            ErrorKind::unsupported,
            "{} is no container image: unsupported media type {} (artifact type {})",
            shown(reference), manifest.config.media_type,
            manifest.artifact_type.empty() ? manifest.config.media_type : manifest.artifact_type);
    if (manifest.config.size > max_config_bytes)
        throw Error(ErrorKind::invalid_argument,
                    "{}: config {} has {} bytes, more than the {} "
                    "allowed",
                    shown(reference), manifest.config.digest.str(), manifest.config.size,
                    max_config_bytes);
    for (const oci::Descriptor& layer : manifest.layers)
        if (!oci::is_layer_type(layer.media_type))
            throw Error(ErrorKind::unsupported, "{}: layer {} has the unsupported media type {}",
                        shown(reference), layer.digest.str(),
                        layer.media_type.empty() ? "\"\"" : layer.media_type);
}

std::vector<std::string> RemoteRepository::list_tags() {
    std::vector<std::string> tags;
    const std::string name = oci::Reference::parse(domain_ + "/" + path_).familiar_name();
    try {
        on_first([&](registry_client::Registry& registry) { tags = registry.list_tags(path_); });
    } catch (const registry_client::ReplyError& error) {
        throw_pull_error(error, name, name);
    }
    return tags;
}

}  // namespace hull::transfer
