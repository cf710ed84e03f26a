#pragma once
#include "base/file.hh"
#include "linux/overlay.hh"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hull::store {

/// Keeps unpacked layers by diffID ("sha256:…"). A committed layer never changes.
class Snapshotter {
public:
    virtual ~Snapshotter() = default;

    /// "erofs" or "directory".
    virtual std::string_view name() const = 0;
    virtual bool exists(std::string_view diff_id) const = 0;
    /// Makes the layer in the EROFS image file `staged` the layer `diff_id`, durably, and consumes
    /// the file; the caller has synced it. An existing layer stays as it is. All or nothing, also
    /// across a crash. False when the layer was there already.
    virtual bool commit(std::string_view diff_id, const Path& staged) = 0;
    /// Takes the layer away at once and moves what it was into the directory `trash`, on the same
    /// file system, for the caller to delete. Missing is fine.
    virtual void remove(std::string_view diff_id, const Path& trash) = 0;
    virtual linux_::LowerLayer lower(std::string_view diff_id) const = 0;
    /// diffIDs of the layers on disk, sorted.
    virtual std::vector<std::string> list() const = 0;
    /// Bytes the layer takes on disk.
    virtual std::uint64_t disk_bytes(std::string_view diff_id) const = 0;
    /// Removes what an interrupted commit left behind, and everything that is no layer of this
    /// kind.
    virtual void recover() = 0;
};

/// One EROFS image file per layer: `<diffID hex>.erofs` in `directory`.
std::unique_ptr<Snapshotter> make_erofs_snapshotter(Path directory);
/// The fallback where EROFS cannot be mounted: `<diffID hex>.dir/`, unpacked from the image.
std::unique_ptr<Snapshotter> make_directory_snapshotter(Path directory);
/// Whether this process may mount EROFS images: it is root and the kernel has EROFS.
bool can_mount_erofs();

}  // namespace hull::store
