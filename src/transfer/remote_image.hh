#pragma once
#include "oci/image_config.hh"
#include "oci/manifest.hh"
#include "registry/client/registry.hh"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hull::transfer {

/// An image in a registry: its documents, which are checked, and where its layers are.
struct RemoteImage {
    registry_client::Document top;  ///< what the tag or digest stands for
    std::optional<registry_client::Document>
        selected;  ///< of an index, the manifest that was chosen
    oci::Manifest manifest;
    std::string config_text;
    oci::ImageConfig config;

    const registry_client::Document& manifest_document() const {
        return selected ? *selected : top;
    }
};

/// A repository at the addresses where it may be found, mirrors first.
class RemoteRepository {
public:
    /// `name` is canonical: docker.io/library/busybox.
    RemoteRepository(const registry_client::Configuration& configuration, const std::string& name,
                     const registry_client::Credentials& credentials);

    const std::string& path() const { return path_; }      ///< library/busybox
    const std::string& domain() const { return domain_; }  ///< docker.io
    /// As a user knows it, with a tag or digest behind it.
    std::string shown(const std::string& reference) const;
    /// The endpoint that served the last manifest first, then the others.
    std::vector<registry_client::Registry*> registries() const;
    /// Runs `attempt` on the endpoints in order; the error of the origin counts.
    void on_first(const std::function<void(registry_client::Registry&)>& attempt);

    /// Its digest when HEAD says it.
    std::optional<oci::Digest> find_digest(const std::string& reference);
    registry_client::Document get_document(const std::string& reference);
    /// Follows an index to the manifest for `platform`. Throws with Docker's texts.
    RemoteImage get_image(const std::string& reference, const oci::Platform& platform,
                          bool platform_was_asked);
    std::vector<std::string> list_tags();

private:
    void check_layers(const RemoteImage& image, const std::string& reference) const;

    std::string domain_, path_;
    registry_client::HttpClient client_;
    std::vector<std::unique_ptr<registry_client::Registry>> registries_;
    std::size_t chosen_ = 0;
};

/// Docker's words for a registry that refuses a pull, with the reference in them.
[[noreturn]] void throw_pull_error(const registry_client::ReplyError& error,
                                   const std::string& shown, const std::string& familiar_name);

}  // namespace hull::transfer
