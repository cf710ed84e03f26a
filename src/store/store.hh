#pragma once
#include "base/fd.hh"
#include "base/file.hh"
#include "base/locked.hh"
#include "db/database.hh"
#include "linux/overlay.hh"
#include "store/check.hh"
#include "store/snapshotter.hh"

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hull::store {

class Store;

/// Content named in a lease is not collected while the lease lives. Leases are in memory only: they
/// protect what a thread of this process is doing, and nobody else owns the store.
class Lease {
public:
    Lease() = default;
    Lease(Lease&& other) noexcept
        : store_(std::exchange(other.store_, nullptr)), id_(std::exchange(other.id_, 0)) {}
    Lease& operator=(Lease other) noexcept {
        std::swap(store_, other.store_);
        std::swap(id_, other.id_);
        return *this;
    }
    ~Lease();

    /// Digests and diffIDs, present already or about to be added. Never waits for a running garbage
    /// collection: what it may be about to remove is safe only if it is a root as well, so check
    /// that its owner still names it after this.
    void add_blob(std::string_view digest);
    void add_layer(std::string_view diff_id);

private:
    friend class Store;
    Lease(Store& store, std::uint64_t id) : store_(&store), id_(id) {}
    Store* store_ = nullptr;
    std::uint64_t id_ = 0;
};

/// A directory under staging/ owned by the user who fills it; removed with everything in it when
/// this goes.
class StagingDirectory {
public:
    StagingDirectory(StagingDirectory&& other) noexcept
        : path_(std::exchange(other.path_, {})), uid_(other.uid_) {}
    StagingDirectory& operator=(StagingDirectory&&) = delete;
    ~StagingDirectory();
    const Path& path() const { return path_; }

private:
    friend class Store;
    StagingDirectory(Path path, uid_t uid) : path_(std::move(path)), uid_(uid) {}
    Path path_;
    uid_t uid_;
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
    Lease make_lease();

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
    std::vector<Layer> list_layers();
    /// diffIDs that need not be unpacked again, sorted; the lease keeps them.
    std::vector<std::string> known_layers(Lease& lease);
    /// Whether both are here; the lease keeps them then, whatever is being collected.
    bool keep_present(std::string_view blob, std::string_view diff_id, Lease& lease);
    std::vector<Blob> list_blobs();

    /// The overlay of these layers (bottom first, as in a config's rootfs.diff_ids). No work on
    /// disk. Throws data_loss when a layer is missing.
    linux_::OverlayPlan prepare_rootfs(std::span<const std::string> diff_ids, Path upper,
                                       Path work);
    /// Mounts of the plan's layers, one per layer for all containers, so that they share what
    /// the page cache holds of it. Detached: nobody sees them, and they go with this process.
    /// Empty where the kernel cannot (`linux_::can_share_mounts`).
    std::vector<std::shared_ptr<const Fd>> share_mounts(const linux_::OverlayPlan& plan);

    /// Removes everything that cannot be reached from the roots or a lease. `find_roots` is called
    /// after the leases were read, so that what moves from a lease to a root is seen in one of the
    /// two; it must not call back into the store. `dry_run` only says what it would be.
    GarbageReport garbage_collect(const std::function<Roots()>& find_roots, bool dry_run = false);
    DiskUsage disk_usage();

    /// Compares what is on disk with what is written down; `verify` reads every blob and hashes it.
    /// `repair` removes what nobody knows, and forgets what is not there or not what it should be,
    /// so that the next pull fetches it again. Nothing is adopted or collected meanwhile.
    std::vector<Fault> check(bool repair, bool verify);

private:
    void check_blobs(bool repair, bool verify, std::vector<Fault>& faults);
    void check_layers(bool repair, std::vector<Fault>& faults);
    void forget(std::string_view table, const std::string& name);
    friend class Lease;
    struct Contents {
        std::map<std::string, Blob, std::less<>> blobs;
        std::map<std::string, Layer, std::less<>> layers;
    };
    struct LeasedContent {
        std::set<std::string, std::less<>> blobs, layers;
    };

    Path blob_file(std::string_view digest) const;
    /// The digest each file is named by, and the file.
    std::vector<std::pair<std::string, Path>> list_blob_files() const;
    void choose_snapshotter(Snapshots wanted);
    void recover();
    void empty_trash() noexcept;
    void forget_mount(const std::string& diff_id);
    bool place_blob(const Path& from, std::string_view digest);
    void mark_manifest(const std::string& digest, Roots& reached);

    const Path data_root_, blobs_, staging_, trash_, empty_;
    Locked<std::map<Path, std::shared_ptr<const Fd>>> mounts_;  ///< by the layer's path
    db::Database& database_;
    std::unique_ptr<Snapshotter> snapshotter_;
    std::mutex adopt_mutex_;    ///< one adoption at a time; taken before collect_mutex_
    std::mutex collect_mutex_;  ///< what is leased under it is not being collected
    Locked<Contents> contents_;
    Locked<std::map<std::uint64_t, LeasedContent>> leases_;
    std::atomic<std::uint64_t> next_lease_ = 1;
};

}  // namespace hull::store
