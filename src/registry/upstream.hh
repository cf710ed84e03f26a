#pragma once
#include "base/locked.hh"
#include "registry/client/configuration.hh"
#include "registry/client/registry.hh"
#include "registry/contents.hh"
#include "registry/metrics.hh"
#include "registry/storage.hh"
#include "registry/uploads.hh"

#include <map>
#include <memory>
#include <string>

namespace hull::registry {

/// What the command line says of the registry that this one is a cache of.
struct UpstreamOptions {
    std::string url, user;  ///< no URL: no cache
    std::int64_t keep_ns = 7LL * 24 * 3600 * 1'000'000'000;
};

/// A cache of another registry: tags are looked up there every time and served from here when it
/// does not answer; manifests and blobs are fetched once, by whoever asks first, and kept.
class Upstream : public Contents {
public:
    struct Parts {
        Storage& storage;
        Uploads& uploads;
        Metrics& metrics;
    };
    /// What is read before the sandbox is entered.
    static registry_client::Configuration read_configuration(const UpstreamOptions& options);
    /// `configuration` outlives this.
    Upstream(const Parts& parts, const UpstreamOptions& options,
             const registry_client::Configuration& configuration, const std::string& password,
             const std::string& authority);

    std::optional<Content> find_blob(const std::string& repository,
                                     const ContentDigest& digest) override;
    std::unique_ptr<BlobStream> bring_blob(const std::string& repository,
                                           const ContentDigest& digest) override;
    void touch_blob(const std::string& repository, const ContentDigest& digest) override;
    std::optional<StoredManifest> find_manifest(const std::string& repository,
                                                const ContentDigest& digest) override;
    std::optional<ContentDigest> find_tag(const std::string& repository,
                                          std::string_view tag) override;
    std::vector<std::string> list_tags(const std::string& repository) override;
    bool has_repository(const std::string& repository) override;
    std::vector<std::string> list_repositories() override;
    std::vector<std::string> list_referrers(const std::string& repository,
                                            const ContentDigest& subject) override;

    /// Removes manifests that nobody asked for in the time that they are kept; their blobs go with
    /// the next garbage collection. How many.
    std::size_t expire();

private:
    class Fetch;
    class Follower;
    void fetch_blob(const std::string& repository, const ContentDigest& digest, Fetch& fetch);
    StoredManifest store(const std::string& repository, const registry_client::Document& document);
    template <typename Ask>
    auto ask(const std::string& repository, Ask&& question);

    Storage& storage_;
    Uploads& uploads_;
    Metrics& metrics_;
    const UpstreamOptions options_;
    registry_client::HttpClient client_;
    registry_client::Registry registry_;
    /// By repository and digest; each is shared by its thread and those who follow it.
    Locked<std::map<std::string, std::shared_ptr<Fetch>>> fetches_;
};

}  // namespace hull::registry
