#include "store/store.hh"

#include "base/error.hh"
#include "base/hash.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "oci/digest.hh"
#include "oci/image_config.hh"
#include "oci/manifest.hh"
#include "store/space.hh"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdio>

namespace hull::store {

namespace {

constexpr std::string_view blob_algorithms[] = {"sha256", "sha512"};

constexpr db::Migration migrations[] = {
    {1,
     "CREATE TABLE blobs(digest TEXT PRIMARY KEY, media_type TEXT NOT NULL, size INTEGER NOT NULL)"
     " WITHOUT ROWID;"
     "CREATE TABLE layers(diff_id TEXT PRIMARY KEY, content_bytes INTEGER NOT NULL,"
     " disk_bytes INTEGER NOT NULL) WITHOUT ROWID;"
     "CREATE TABLE store_settings(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;",
     "DROP TABLE blobs; DROP TABLE layers; DROP TABLE store_settings;"},
};

/// The digest of its content, of the kind that `digest` is.
std::string hash_of(int fd, std::string_view digest) {
    oci::DigestHash hash(oci::Digest::parse(digest));
    std::array<std::byte, 64UL << 10> buffer;
    for (;;) {
        const std::size_t count = sys::read(fd, buffer);
        if (count == 0) return hash.digest().str();
        hash.update(std::span(buffer).first(count));
    }
}

/// Takes one staged file away from the user who wrote it. It may hold anything, so it must be a
/// plain file of that user's that has no second name.
Fd seize(const Path& path, const std::string& name, uid_t uid) {
    if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos)
        throw Error(ErrorKind::data_loss, "staged file {:?} is no plain name", name);
    Fd file = sys::open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const struct stat info = sys::fstat(file.get());
    if (!S_ISREG(info.st_mode) || info.st_nlink != 1 || info.st_uid != uid)
        throw Error(ErrorKind::data_loss, "staged file {} is not a plain file of its own", name);
    if (::fchown(file.get(), ::geteuid(), ::getegid()) != 0)
        throw_errno(errno, "chown of staged file {}", name);
    if (::fchmod(file.get(), 0444) != 0) throw_errno(errno, "chmod of staged file {}", name);
    return file;
}

}  // namespace

Lease::~Lease() {
    if (store_) store_->leases_.lock()->erase(id_);
}

void Lease::add_blob(std::string_view digest) {
    assert(store_);
    const auto leases = store_->leases_.lock();
    (*leases)[id_].blobs.emplace(digest);
}

void Lease::add_layer(std::string_view diff_id) {
    assert(store_);
    const auto leases = store_->leases_.lock();
    (*leases)[id_].layers.emplace(diff_id);
}

StagingDirectory::~StagingDirectory() {
    if (path_.empty()) return;
    try {
        sys::remove_tree(path_);
    } catch (const std::exception& error) {
        log::warning("removing {}: {}", path_, error.what());
    }
}

Store::Store(Path data_root, db::Database& database, Snapshots snapshots)
    : data_root_(std::move(data_root)),
      blobs_(join(data_root_, "blobs")),
      staging_(join(data_root_, "staging")),
      trash_(join(data_root_, "trash")),
      empty_(join(data_root_, "empty")),
      database_(database) {
    sys::mkdir_all(data_root_, 0711);
    for (const std::string_view algorithm : blob_algorithms)
        sys::mkdir_all(join(blobs_, algorithm), 0700);
    sys::mkdir(staging_, 0711);
    sys::mkdir(trash_, 0700);
    sys::mkdir(empty_, 0755);
    sys::mkdir(join(data_root_, "layers"), 0700);
    database_.migrate("store", migrations);
    choose_snapshotter(snapshots);
    recover();
}

Store::~Store() = default;

void Store::choose_snapshotter(Snapshots wanted) {
    const auto row = database_.query_one<std::string>(
        "SELECT value FROM store_settings WHERE name='snapshotter'");
    const bool has_layers = database_.query_one<int>("SELECT 1 FROM layers").has_value();
    std::string name;
    if (wanted == Snapshots::automatic)
        name = row && has_layers ? std::get<0>(*row) : can_mount_erofs() ? "erofs" : "directory";
    else
        name = wanted == Snapshots::erofs ? "erofs" : "directory";
    if (row && has_layers && name != std::get<0>(*row))
        throw Error(
            ErrorKind::invalid_argument,
            "store {}: its layers are kept by the {} snapshotter, not {}: remove the images "
            "first",
            data_root_, std::get<0>(*row), name);
    if (!row || std::get<0>(*row) != name)
        database_.execute("INSERT OR REPLACE INTO store_settings VALUES('snapshotter', ?)", name);
    snapshotter_ = name == "erofs" ? make_erofs_snapshotter(join(data_root_, "layers"))
                                   : make_directory_snapshotter(join(data_root_, "layers"));
}

// Files are made before their row and removed after it. So a crash at any point leaves files
// without a row, which go here, and never a row without its file; if one turns up all the same,
// somebody removed the file, and the row goes so that the next load or pull brings the content
// back.
void Store::recover() {
    for (const std::string& name : sys::list_directory(staging_)) {
        try {
            sys::remove_tree(join(staging_, name));
        } catch (const Error& error) {  // a transfer of a killed daemon may still be dying
            log::warning("removing {}: {}", join(staging_, name), error.message());
        }
    }

    Contents known;
    for (auto& [digest, media_type, size] :
         database_.query<std::string, std::string, std::uint64_t>(
             "SELECT digest, media_type, size FROM blobs")) {
        const auto info = sys::find_stat(blob_file(digest));
        if (info && static_cast<std::uint64_t>(info->st_size) == size) {
            known.blobs[digest] = {digest, media_type, size};
            continue;
        }
        log::warning("blob {} is {}: dropped", digest, info ? "of another size" : "missing");
        database_.execute("DELETE FROM blobs WHERE digest=?", digest);
    }
    for (auto& [diff_id, content, disk] :
         database_.query<std::string, std::uint64_t, std::uint64_t>(
             "SELECT diff_id, content_bytes, disk_bytes FROM layers")) {
        if (snapshotter_->exists(diff_id)) {
            known.layers[diff_id] = {diff_id, content, disk};
            continue;
        }
        log::warning("layer {} is missing: dropped", diff_id);
        database_.execute("DELETE FROM layers WHERE diff_id=?", diff_id);
    }

    for (const auto& [digest, file] : list_blob_files())
        if (!known.blobs.contains(digest)) sys::remove_tree(file);
    snapshotter_->recover();
    for (const std::string& diff_id : snapshotter_->list())
        if (!known.layers.contains(diff_id)) snapshotter_->remove(diff_id, trash_);
    empty_trash();
    const auto contents = contents_.lock();
    *contents = std::move(known);
}

/// What is in it was moved there under the locks; removing it may take long and needs none.
void Store::empty_trash() noexcept {
    try {
        for (const std::string& name : sys::list_directory(trash_))
            sys::remove_tree(join(trash_, name));
    } catch (const std::exception& error) {
        log::warning("emptying {}: {}", trash_, error.what());
    }
}

StagingDirectory Store::make_staging(uid_t uid) {
    constexpr std::uint64_t least_bytes = 64 << 10;
    StagingDirectory staging(join(staging_, random_hex(8)), uid);
    try {
        sys::mkdir(staging.path(), 0700);
    } catch (const Error& error) {
        throw Error(error.kind(), "{}{}", error.message(),
                    describe_shortage(staging_, least_bytes));
    }
    if (uid != ::geteuid() && ::chown(staging.path().c_str(), uid, uid) != 0)
        throw_errno(errno, "chown {} to {}", staging.path(), uid);
    return staging;
}

Lease Store::make_lease() { return Lease(*this, next_lease_++); }

Path Store::blob_file(std::string_view digest) const {
    const oci::Digest parsed = oci::Digest::parse(digest);
    return join(join(blobs_, parsed.algorithm()), parsed.hex());
}

std::vector<std::pair<std::string, Path>> Store::list_blob_files() const {
    std::vector<std::pair<std::string, Path>> files;
    for (const std::string_view algorithm : blob_algorithms) {
        const Path directory = join(blobs_, algorithm);
        for (const std::string& name : sys::list_directory(directory))
            files.emplace_back(fmt::format("{}:{}", algorithm, name), join(directory, name));
    }
    return files;
}

/// False when the blob was there already.
bool Store::place_blob(const Path& from, std::string_view digest) {
    const Path to = blob_file(digest);
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0) {
        if (errno != EEXIST) throw_errno(errno, "rename {} to {}", from, to);
        sys::unlink(from);
        return false;
    }
    return true;
}

std::string Store::put_blob(std::string_view content, std::string_view media_type, Lease& lease) {
    const std::string digest = oci::Digest::of(content).str();
    const StagingDirectory staging = make_staging(::geteuid());
    write_file(join(staging.path(), "blob"), content, 0444);
    adopt(
        staging,
        {.blobs = {{digest, std::string(media_type), "blob", content.size(), false}}, .layers = {}},
        lease);
    return digest;
}

std::optional<Blob> Store::find_blob(std::string_view digest) {
    const auto contents = contents_.lock();
    const auto found = contents->blobs.find(digest);
    if (found == contents->blobs.end()) return std::nullopt;
    return found->second;
}

Path Store::blob_path(std::string_view digest) {
    if (!find_blob(digest)) throw Error(ErrorKind::not_found, "no blob {}", digest);
    return blob_file(digest);
}

Fd Store::open_blob(std::string_view digest) { return sys::open(blob_path(digest), O_RDONLY); }

std::string Store::read_blob(std::string_view digest, std::size_t max_bytes) {
    std::string content = read_file(blob_path(digest), max_bytes);
    if (const oci::Digest actual = oci::Digest::of(content, oci::Digest::parse(digest));
        actual.str() != digest)
        throw Error(ErrorKind::data_loss, "blob {}: hashes to {}", digest, actual.str());
    return content;
}

void Store::adopt(const StagingDirectory& staging, const StagedContent& content, Lease& lease) {
    assert(lease.store_ == this);
    // Slow part, before any lock: everything durable and checked.
    for (const auto& blob : content.blobs) {
        with_context(
            [&] {
            const Fd file = seize(join(staging.path(), blob.file), blob.file, staging.uid_);
            const auto size = static_cast<std::uint64_t>(sys::fstat(file.get()).st_size);
            if (size != blob.size)
                throw Error(ErrorKind::data_loss, "has {} bytes instead of {}", size, blob.size);
            if (blob.verify)
                if (const std::string actual = hash_of(file.get(), blob.digest);
                    actual != blob.digest)
                    throw Error(ErrorKind::data_loss, "hashes to {}", actual);
            sys::fdatasync(file.get());
            },
            "adopting blob {}", blob.digest);
    }
    for (const auto& layer : content.layers) {
        with_context(
            [&] {
            sys::fdatasync(seize(join(staging.path(), layer.file), layer.file, staging.uid_).get());
            },
            "adopting layer {}", layer.diff_id);
    }

    const std::lock_guard adopting(adopt_mutex_);
    {
        const std::lock_guard not_collecting(collect_mutex_);
        const auto leases = leases_.lock();
        LeasedContent& leased = (*leases)[lease.id_];
        for (const auto& blob : content.blobs) leased.blobs.insert(blob.digest);
        for (const auto& layer : content.layers) leased.layers.insert(layer.diff_id);
    }

    // From here on nothing named in `content` is collected. What we place is taken back unless the
    // rows were written.
    struct Placed {
        Store& store;
        std::vector<std::string> blobs, layers;
        ~Placed() {
            try {
                for (const std::string& digest : blobs) sys::unlink(store.blob_file(digest));
                if (layers.empty()) return;
                for (const std::string& diff_id : layers)
                    store.snapshotter_->remove(diff_id, store.trash_);
                store.empty_trash();
            } catch (const std::exception& error) {
                log::warning("taking back a failed adoption: {}", error.what());
            }
        }
    } placed{*this, {}, {}};
    Contents added;
    for (const auto& blob : content.blobs) {
        if (place_blob(join(staging.path(), blob.file), blob.digest))
            placed.blobs.push_back(blob.digest);
        added.blobs[blob.digest] = {blob.digest, blob.media_type, blob.size};
    }
    if (!placed.blobs.empty()) sync_directory(blobs_);
    for (const auto& layer : content.layers) {
        with_context(
            [&] {
            if (snapshotter_->commit(layer.diff_id, join(staging.path(), layer.file)))
                placed.layers.push_back(layer.diff_id);
            },
            "unpacking layer {}", layer.diff_id);
        added.layers[layer.diff_id] = {layer.diff_id, layer.content_bytes,
                                       snapshotter_->disk_bytes(layer.diff_id)};
    }

    db::Transaction transaction = database_.begin();
    for (const auto& [digest, blob] : added.blobs)
        database_.execute("INSERT OR IGNORE INTO blobs(digest, media_type, size) VALUES(?,?,?)",
                          digest, blob.media_type, blob.size);
    for (const auto& [diff_id, layer] : added.layers)
        database_.execute(
            "INSERT OR IGNORE INTO layers(diff_id, content_bytes, disk_bytes) VALUES(?,?,?)",
            diff_id, layer.content_bytes, layer.disk_bytes);
    transaction.commit();
    placed.blobs.clear();
    placed.layers.clear();
    const auto contents = contents_.lock();
    contents->blobs.merge(added.blobs);
    contents->layers.merge(added.layers);
}

std::optional<Layer> Store::find_layer(std::string_view diff_id) {
    const auto contents = contents_.lock();
    const auto found = contents->layers.find(diff_id);
    if (found == contents->layers.end()) return std::nullopt;
    return found->second;
}

std::vector<Layer> Store::list_layers() {
    std::vector<Layer> layers;
    const auto contents = contents_.lock();  // named: a temporary would unlock before the loop runs
    for (const auto& [diff_id, layer] : contents->layers) layers.push_back(layer);
    return layers;
}

std::vector<std::string> Store::known_layers(Lease& lease) {
    const std::lock_guard not_collecting(collect_mutex_);
    std::vector<std::string> diff_ids;
    {
        const auto contents = contents_.lock();
        for (const auto& [diff_id, layer] : contents->layers) diff_ids.push_back(diff_id);
    }
    const auto leases = leases_.lock();
    (*leases)[lease.id_].layers.insert(diff_ids.begin(), diff_ids.end());
    return diff_ids;
}

bool Store::keep_present(std::string_view blob, std::string_view diff_id, Lease& lease) {
    const std::lock_guard not_collecting(collect_mutex_);
    if (!find_blob(blob) || !find_layer(diff_id)) return false;
    lease.add_blob(blob);
    lease.add_layer(diff_id);
    return true;
}

std::vector<Blob> Store::list_blobs() {
    std::vector<Blob> blobs;
    const auto contents = contents_.lock();
    for (const auto& [digest, blob] : contents->blobs) blobs.push_back(blob);
    return blobs;
}

linux_::OverlayPlan Store::prepare_rootfs(std::span<const std::string> diff_ids, Path upper,
                                          Path work) {
    linux_::OverlayPlan plan;
    plan.upper = std::move(upper);
    plan.work = std::move(work);
    const auto contents = contents_.lock();
    // overlayfs refuses a lower that comes twice; the upper one of the two decides alone anyway.
    std::set<std::string_view> seen;
    for (auto diff_id = diff_ids.rbegin(); diff_id != diff_ids.rend(); ++diff_id) {
        if (!contents->layers.contains(*diff_id))
            throw Error(ErrorKind::data_loss, "layer {} is missing from the store", *diff_id);
        if (seen.insert(*diff_id).second) plan.lowers.push_back(snapshotter_->lower(*diff_id));
    }
    if (plan.lowers.empty()) plan.lowers.push_back({linux_::LowerLayer::Kind::directory, empty_});
    return plan;
}

std::vector<std::shared_ptr<const Fd>> Store::share_mounts(const linux_::OverlayPlan& plan) {
    static const bool is_possible = linux_::can_share_mounts();
    if (!is_possible || plan.upper.empty()) return {};
    std::vector<std::shared_ptr<const Fd>> shared;
    const auto mounts = mounts_.lock();
    for (const linux_::LowerLayer& layer : plan.lowers) {
        auto& mount = (*mounts)[layer.path];
        if (!mount) mount = std::make_shared<const Fd>(linux_::mount_layer(layer));
        shared.push_back(mount);
    }
    return shared;
}

void Store::forget_mount(const std::string& diff_id) {
    const auto mounts = mounts_.lock();
    mounts->erase(snapshotter_->lower(diff_id).path);
}

void Store::mark_manifest(const std::string& digest, Roots& reached) {
    if (!reached.blobs.insert(digest).second) return;
    if (!find_blob(digest)) return;  // an index names manifests of other platforms too
    with_context(
        [&] {
        const auto document = oci::parse_manifest_or_index(read_blob(digest));
        if (const auto* index = std::get_if<oci::Index>(&document)) {
            for (const oci::Descriptor& entry : index->manifests)
                mark_manifest(entry.digest.str(), reached);
            return;
        }
        const auto& manifest = std::get<oci::Manifest>(document);
        reached.blobs.insert(manifest.config.digest.str());
        for (const oci::Descriptor& layer : manifest.layers)
            reached.blobs.insert(layer.digest.str());
        if (!find_blob(manifest.config.digest.str())) return;
        const auto config = oci::parse_image_config(read_blob(manifest.config.digest.str()));
        for (const oci::Digest& diff_id : config.diff_ids) reached.layers.insert(diff_id.str());
        },
        "marking manifest {}", digest);
}

// Rows go first, and are synced before any file is touched: a crash in between leaves files without
// a row, which the next start removes. The other way round it would leave rows that promise files
// which are gone.
GarbageReport Store::garbage_collect(const std::function<Roots()>& find_roots, bool dry_run) {
    // Emptied after the locks are free. It is there from the start: what makes room on a full disk
    // cannot make a directory first.
    struct Emptied {
        Store& store;
        ~Emptied() { store.empty_trash(); }
    } const emptied{*this};
    const std::lock_guard adopting(adopt_mutex_);
    GarbageReport report;
    {
        const std::lock_guard collecting(collect_mutex_);
        Roots reached;
        {
            const auto leases = leases_.lock();
            for (const auto& [id, leased] : *leases) {
                reached.blobs.insert(leased.blobs.begin(), leased.blobs.end());
                reached.layers.insert(leased.layers.begin(), leased.layers.end());
            }
        }
        const Roots roots = find_roots();
        reached.layers.insert(roots.layers.begin(), roots.layers.end());
        Roots from_manifests;
        for (const std::string& digest : roots.manifests) mark_manifest(digest, from_manifests);
        reached.blobs.merge(from_manifests.blobs);
        reached.layers.merge(from_manifests.layers);
        reached.blobs.insert(roots.blobs.begin(), roots.blobs.end());

        for (const Blob& blob : list_blobs())
            if (!reached.blobs.contains(blob.digest)) {
                report.blobs.push_back(blob.digest);
                report.freed_bytes += blob.size;
            }
        for (const Layer& layer : list_layers())
            if (!reached.layers.contains(layer.diff_id)) {
                report.layers.push_back(layer.diff_id);
                report.freed_bytes += layer.disk_bytes;
            }
        if (dry_run || (report.blobs.empty() && report.layers.empty())) return report;

        db::Transaction transaction = database_.begin();
        for (const std::string& digest : report.blobs)
            database_.execute("DELETE FROM blobs WHERE digest=?", digest);
        for (const std::string& diff_id : report.layers)
            database_.execute("DELETE FROM layers WHERE diff_id=?", diff_id);
        transaction.commit();
        database_.sync();
        {
            const auto contents = contents_.lock();
            for (const std::string& digest : report.blobs) contents->blobs.erase(digest);
            for (const std::string& diff_id : report.layers) contents->layers.erase(diff_id);
        }
        for (const std::string& digest : report.blobs)
            if (sys::find_stat(blob_file(digest)))
                sys::rename(blob_file(digest), join(trash_, random_hex(8)));
        for (const std::string& diff_id : report.layers) {
            forget_mount(diff_id);  // or its file would keep its space
            snapshotter_->remove(diff_id, trash_);
        }
    }
    return report;
}

DiskUsage Store::disk_usage() {
    DiskUsage usage;
    const auto contents = contents_.lock();
    for (const auto& [digest, blob] : contents->blobs) usage.blob_bytes += blob.size;
    for (const auto& [diff_id, layer] : contents->layers) usage.layer_bytes += layer.disk_bytes;
    return usage;
}

}  // namespace hull::store
