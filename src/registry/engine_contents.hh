#pragma once
#include "base/file.hh"
#include "base/locked.hh"
#include "registry/contents.hh"

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>

namespace hull::registry {

/// The supervisor's side: answers what a worker, which may not read the engine's store, asks about
/// it. Reads names from the engine's database and opens blobs; parses nothing that came from
/// strangers.
class EngineStore {
public:
    explicit EngineStore(Path data_root) : data_root_(std::move(data_root)) {}
    /// Throws an Error that says how to name the store when it is none.
    void check() const;
    /// Answers on `socket` until its other end is closed.
    void serve(int socket);

private:
    std::string list_names() const;
    const Path data_root_;
};

/// The worker's side: the engine's images as repositories. `docker.io/library/busybox` is
/// `library/busybox`; images of other registries have the path they have there, and with the
/// registry in front where its name has no port.
class EngineContents : public Contents {
public:
    explicit EngineContents(Fd socket) : socket_(std::move(socket)) {}

    std::optional<Content> find_blob(const std::string& repository,
                                     const ContentDigest& digest) override;
    void touch_blob(const std::string&, const ContentDigest&) override {}
    std::optional<StoredManifest> find_manifest(const std::string& repository,
                                                const ContentDigest& digest) override;
    std::optional<ContentDigest> find_tag(const std::string& repository,
                                          std::string_view tag) override;
    std::vector<std::string> list_tags(const std::string& repository) override;
    bool has_repository(const std::string& repository) override;
    std::vector<std::string> list_repositories() override;
    std::vector<std::string> list_referrers(const std::string& repository,
                                            const ContentDigest& subject) override;

private:
    struct Repository {
        std::map<std::string, ContentDigest, std::less<>> tags;
        std::set<ContentDigest> manifests;  ///< named by tags and digests
    };
    using Repositories = std::map<std::string, Repository>;
    Repositories read_names();
    std::optional<Content> open_blob(const ContentDigest& digest);
    std::optional<StoredManifest> open_manifest(const ContentDigest& digest);
    /// What the manifests of a repository lead to.
    bool has(const Repository& repository, const ContentDigest& digest, bool as_manifest);

    const Fd socket_;
    std::mutex mutex_;  ///< one question at a time
    /// What a manifest refers to; its digest says that this never changes.
    struct References {
        std::set<ContentDigest> manifests, blobs;
    };
    Locked<std::map<ContentDigest, References>> references_;
};

}  // namespace hull::registry
