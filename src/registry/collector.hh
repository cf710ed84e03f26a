#pragma once
#include "registry/storage.hh"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace hull::registry {

/// Removes what no repository needs, while pushes go on.
///
/// A repository needs its manifests and what they refer to; a blob that no manifest of it refers to
/// goes when it is older than the grace (its client may be about to push the manifest). Content
/// that no repository has goes at once: whoever links content makes that known, and the collector
/// looks, alone in the storage, right before it removes.
class Collector {
public:
    struct Options {
        std::int64_t grace_ns = 3600'000'000'000;
        bool untagged = false;  ///< manifests that no tag, index or subject leads to go as well
    };
    struct Report {
        std::uint64_t links = 0, manifests = 0, blobs = 0, bytes = 0;
    };
    Collector(Storage& storage, Options options) : storage_(storage), options_(options) {}

    /// One at a time. Blocks nobody for longer than a few renames take.
    Report run();

private:
    /// 128 bits of a digest: two that collide keep each other, which does no harm.
    struct Mark {
        std::uint64_t high = 0, low = 0;
        auto operator<=>(const Mark&) const = default;
    };
    static Mark mark(const ContentDigest& digest);

    void collect_repository(const std::string& repository, Report& report);
    void collect_untagged(const std::string& repository, Report& report);
    void clean_tags(const std::string& repository);
    void sweep(Report& report);
    bool remove_content(const ContentDigest& digest, const Path& directory, Report& report);
    void mark_references(const std::string& repository, const ContentDigest& manifest,
                         std::vector<Mark>& marks);
    bool is_old(const Path& link) const;
    void empty_trash();

    Storage& storage_;
    const Options options_;
    std::vector<Mark> live_;
};

}  // namespace hull::registry
