#pragma once
#include "base/fd.hh"
#include "base/file.hh"
#include "db/database.hh"
#include "linux/overlay.hh"
#include "store/snapshotter.hh"

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hull::store {

class Store;

/// Content named in a lease is not collected while the lease lives. Its rows expire on their own
/// when the process dies (Store forgets all leases at start-up).
class Lease {
public:
    Lease() = default;
    Lease(Lease&& other) noexcept;
    Lease& operator=(Lease other) noexcept;
    ~Lease();

    /// Digests and diffIDs; present already or about to be added.
    void add_blob(std::string_view digest);
    void add_layer(std::string_view diff_id);
    /// 0 when empty.
    std::int64_t id() const { return id_; }

private:
    friend class Store;
    Lease(Store& store, std::int64_t id) : store_(&store), id_(id) {}
    Store* store_ = nullptr;
    std::int64_t id_ = 0;
};

/// A directory under staging/ owned by the user who fills it; removed with everything in it when
/// this goes.
class StagingDirectory {
public:
    StagingDirectory(StagingDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    StagingDirectory& operator=(StagingDirectory&&) = delete;
    ~StagingDirectory();
    const Path& path() const { return path_; }

private:
    friend class Store;
    explicit StagingDirectory(Path path) : path_(std::move(path)) {}
    Path path_;
};

/// A blob: bytes named by their digest.
struct Blob {
    std::string digest, media_type;
    std::uint64_t size = 0;
};

/// An unpacked layer.
struct Layer {
    std::string diff_id;
    std::uint64_t content_bytes = 0;  ///< sum of the file sizes: what Docker calls the size
    std::uint64_t disk_bytes = 0;
};

/// What a transfer left in a staging directory, to be adopted together.
struct StagedContent {
    struct StagedBlob {
        std::string digest, media_type, file;  ///< file: name inside the staging directory
        std::uint64_t size = 0;
        bool verify = false;  ///< hash it again: manifests and configs, which the daemon will parse
    };
    struct StagedLayer {
        std::string diff_id, file;
        std::uint64_t content_bytes = 0;
    };
    std::vector<StagedBlob> blobs;
    std::vector<StagedLayer> layers;
};

/// From where garbage collection marks. Manifests are read: they keep their config, their layers'
/// blobs and, through the config, the unpacked layers.
struct Roots {
    std::set<std::string, std::less<>> manifests, blobs, layers;
};

struct GarbageReport {
    std::vector<std::string> blobs, layers;  ///< removed
    std::uint64_t freed_bytes = 0;
};

struct DiskUsage {
    std::uint64_t blob_bytes = 0, layer_bytes = 0;
};

/// Blobs and unpacked layers under one data directory. Knows nothing of images or containers.
/// Thread-safe.
class Store {
public:
    enum class Snapshots { automatic, erofs, directory };

    /// Opens the store and repairs what a crash left: empties staging/, forgets leases, drops rows
    /// without a file and files without a row.
    Store(Path data_root, db::Database& database, Snapshots snapshots = Snapshots::automatic);
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    const Path& data_root() const { return data_root_; }
    /// "erofs" or "directory", as `docker info` shows under Driver.
    std::string_view snapshotter_name() const { return snapshotter_->name(); }

    /// A new directory, mode 0700, owned by `uid`:`uid`.
    StagingDirectory make_staging(uid_t uid);
    /// Protects what is added to it until it goes, at most `lifetime_s` seconds.
    Lease make_lease(std::int64_t lifetime_s = 24 * 3600);

    /// Stores `content` durably and returns its digest. The lease keeps it until it is a root.
    std::string put_blob(std::string_view content, std::string_view media_type, Lease& lease);
    std::optional<Blob> find_blob(std::string_view digest);
    /// Throws not_found.
    Path blob_path(std::string_view digest);
    Fd open_blob(std::string_view digest);
    /// A small blob, hashed while it is read: throws data_loss when it is not what its digest says.
    std::string read_blob(std::string_view digest, std::size_t max_bytes = 4UL << 20);

    /// Takes the files of a finished transfer into the store: durable first, then all rows in one
    /// transaction, guarded by the lease. Throws data_loss when a file is missing, has another size
    /// or (verify) another digest. What exists already is kept.
    void adopt(const StagingDirectory& staging, const StagedContent& content, Lease& lease);

    std::optional<Layer> find_layer(std::string_view diff_id);
    /// diffIDs that need not be unpacked again, sorted.
    std::vector<std::string> list_layers();
    std::vector<Blob> list_blobs();

    /// The overlay of these layers (bottom first, as in a config's rootfs.diff_ids). No work on
    /// disk. Throws data_loss when a layer is missing.
    linux_::OverlayPlan prepare_rootfs(std::span<const std::string> diff_ids, Path upper,
                                       Path work);

    /// Removes everything that cannot be reached from `roots` or a live lease.
    GarbageReport garbage_collect(const Roots& roots);
    DiskUsage disk_usage();

private:
    friend class Lease;
    Path blob_file(std::string_view digest) const;
    void recover();
    void sweep_files();
    void lease_content(std::int64_t lease, std::string_view kind, std::string_view name);
    void release_lease(std::int64_t lease) noexcept;
    Roots mark(const Roots& roots);

    Path data_root_;
    db::Database& database_;
    std::unique_ptr<Snapshotter> snapshotter_;
    std::mutex content_mutex_;  ///< adopting and sweeping exclude each other
};

}  // namespace hull::store
