#pragma once
#include "base/fd.hh"
#include "registry/content_digest.hh"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hull::registry {

/// An open blob.
struct Content {
    Fd file;
    std::uint64_t size = 0;
};

/// A manifest as it was pushed.
struct StoredManifest {
    std::string text, media_type;
    ContentDigest digest;
};

/// A blob that is still on its way here.
class BlobStream {
public:
    virtual ~BlobStream() = default;
    /// The whole blob's, when that is known.
    virtual std::optional<std::uint64_t> size() const = 0;
    /// Waits for bytes; 0 at the end. Throws when they do not come.
    virtual std::size_t read(std::span<std::byte> buffer) = 0;
};

/// What whoever pulls sees of a registry, be it a directory of its own (Storage), the engine's
/// store (EngineContents) or a cache of another registry (Upstream). Names were checked.
/// Thread-safe.
class Contents {
public:
    virtual ~Contents() = default;

    /// The blob when `repository` has it.
    virtual std::optional<Content> find_blob(const std::string& repository,
                                             const ContentDigest& digest) = 0;
    /// A blob that find_blob does not have but that can be brought; nullptr for none.
    virtual std::unique_ptr<BlobStream> bring_blob(const std::string& /*repository*/,
                                                   const ContentDigest& /*digest*/) {
        return nullptr;
    }
    /// A client was told that the blob is here.
    virtual void touch_blob(const std::string& repository, const ContentDigest& digest) = 0;
    virtual std::optional<StoredManifest> find_manifest(const std::string& repository,
                                                        const ContentDigest& digest) = 0;
    virtual std::optional<ContentDigest> find_tag(const std::string& repository,
                                                  std::string_view tag) = 0;
    virtual std::vector<std::string> list_tags(const std::string& repository) = 0;
    virtual bool has_repository(const std::string& repository) = 0;
    virtual std::vector<std::string> list_repositories() = 0;
    /// Descriptors, as JSON.
    virtual std::vector<std::string> list_referrers(const std::string& repository,
                                                    const ContentDigest& subject) = 0;
};

}  // namespace hull::registry
