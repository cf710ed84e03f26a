#pragma once
#include "base/fd.hh"
#include "base/file.hh"
#include "base/locked.hh"
#include "registry/contents.hh"

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

namespace hull::registry {

/// Many change the storage at a time, or one collects garbage; a collector that waits is let in
/// before whoever comes later.
class StructureLock {
public:
    [[nodiscard]] std::shared_lock<std::shared_mutex> share();
    [[nodiscard]] std::unique_lock<std::shared_mutex> own();

private:
    std::mutex gate_;
    std::shared_mutex mutex_;
};

/// Blobs, manifests and tags below one directory, in the layout of distribution/distribution
/// (`docker/registry/v2/…`), so that Debian's docker-registry can be replaced by us and back.
///
/// Everything is a file that is written beside its place and renamed: after a kill -9 or a power
/// loss every name means what it meant before or after. Order: content, then the link that makes a
/// repository have it, then the tag; removals go the other way. Repository names and tags must have
/// been checked: they become paths. Thread-safe; one process at a time.
class Storage : public Contents {
public:
    /// Makes what is missing. Throws conflict when another process serves the directory.
    explicit Storage(Path root);

    // Blobs.
    /// The blob when `repository` has it.
    std::optional<Content> find_blob(const std::string& repository,
                                     const ContentDigest& digest) override;
    bool has_blob(const std::string& repository, const ContentDigest& digest);
    std::optional<std::uint64_t> find_content_size(const ContentDigest& digest) const;
    /// Takes a file whose bytes are on disk and hash to `digest`.
    void add_blob(const std::string& repository, const ContentDigest& digest, const Path& file);
    /// Makes `repository` have content that is here already; false when it is not.
    bool link_blob(const std::string& repository, const ContentDigest& digest);
    std::vector<ContentDigest> list_blobs(const std::string& repository) const;
    bool remove_blob(const std::string& repository, const ContentDigest& digest);
    /// Puts off the removal of a blob that a client was told about.
    void touch_blob(const std::string& repository, const ContentDigest& digest) override;

    // Manifests.
    using Manifest = StoredManifest;
    std::optional<Manifest> find_manifest(const std::string& repository,
                                          const ContentDigest& digest) override;
    /// Notes that somebody asked for the manifest; when that was last, or when it came.
    void touch_manifest(const std::string& repository, const ContentDigest& digest);
    std::optional<std::int64_t> manifest_touched_ns(const std::string& repository,
                                                    const ContentDigest& digest) const;
    bool has_manifest(const std::string& repository, const ContentDigest& digest) const;
    /// `referrer` is the descriptor to list for `subject`, when there is one.
    struct Referrer {
        ContentDigest subject;
        std::string descriptor;
    };
    /// The caller shares structure() since it looked for what the manifest refers to.
    void put_manifest(const std::string& repository, const Manifest& manifest,
                      const std::optional<Referrer>& referrer);
    /// With the tags that name it. False when there is none.
    bool remove_manifest(const std::string& repository, const ContentDigest& digest);
    /// The same for who owns structure().
    bool remove_manifest_alone(const std::string& repository, const ContentDigest& digest);
    std::vector<ContentDigest> list_manifests(const std::string& repository) const;
    /// Descriptors as put_manifest was given them, of manifests that are still here.
    std::vector<std::string> list_referrers(const std::string& repository,
                                            const ContentDigest& subject) override;

    // Tags and repositories.
    std::optional<ContentDigest> find_tag(const std::string& repository,
                                          std::string_view tag) override;
    void put_tag(const std::string& repository, std::string_view tag, const ContentDigest& digest);
    bool remove_tag(const std::string& repository, std::string_view tag);
    std::vector<std::string> list_tags(const std::string& repository) override;
    bool has_repository(const std::string& repository) override;
    std::vector<std::string> list_repositories() override;

    /// Those with a directory of uploads, also before their first manifest.
    std::vector<std::string> list_upload_repositories() const;
    /// Those with blobs or manifests, read from the disk.
    std::vector<std::string> list_all_repositories() const;

    /// Between these every link that is made is noted for the collector.
    void begin_collection();
    void end_collection();

    /// Where uploads of a repository lie; on the file system of the blobs.
    Path uploads_directory(const std::string& repository) const;
    /// Held by whoever checks that something is here and makes a link that needs it.
    StructureLock& structure() { return structure_; }
    const Path& root() const { return root_; }

private:
    friend class Collector;

    Path content_path(const ContentDigest& digest) const;
    Path repository_path(std::string_view repository) const;
    Path layer_link(std::string_view repository, const ContentDigest& digest) const;
    Path revision_link(std::string_view repository, const ContentDigest& digest) const;
    Path tag_path(std::string_view repository, std::string_view tag) const;
    Path referrer_path(std::string_view repository, const ContentDigest& subject) const;
    std::string media_type_of(const Path& revision, const Manifest& manifest);
    void note_link(const ContentDigest& digest);
    void note_repository(const std::string& repository);

    const Path root_, base_;
    Fd lock_file_;
    StructureLock structure_;
    /// Digests linked since a collection began; nullopt while none runs.
    Locked<std::optional<std::set<std::string>>> fresh_links_;
    Locked<std::map<std::string, std::string>> media_types_;  ///< by revision, a bounded cache
    Locked<std::optional<std::set<std::string>>> repositories_;
};

}  // namespace hull::registry
