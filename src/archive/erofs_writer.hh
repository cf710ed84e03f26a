#pragma once
#include "archive/tar_reader.hh"
#include "base/fd.hh"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hull::archive {

struct ErofsLimits {
    std::uint64_t inodes = 16UL << 20;
    std::uint64_t metadata_bytes = 2UL << 30;  ///< names, xattrs and small-file tails in memory
};

/// What an image holds, for listings and progress.
struct ErofsStatistics {
    std::uint64_t entries = 0;        ///< tar entries applied
    std::uint64_t inodes = 0;         ///< in the image
    std::uint64_t content_bytes = 0;  ///< sum of the sizes of its regular files (each inode once)
    std::uint64_t image_bytes = 0;    ///< of the image file, holes included
};

/// A hard link whose target is not in this layer: overlayfs cannot express it, because the link
/// would have to be made in the layer that holds the target. Docker copies the target up. The
/// caller provides the target's content (`ErofsWriter::resolve_link`) or gives up on the layer.
struct UnresolvedLink {
    std::string name;    ///< the entry that is missing
    std::string target;  ///< clean path relative to the root of the image, without a first slash
};

/// Turns one tar changeset into one EROFS image in one pass, as Docker's overlay2 driver would lay
/// it out on disk: `.wh.X` becomes a 0:0 character device, `.wh..wh..opq` the xattr
/// trusted.overlay.opaque=y, a later entry of the same name replaces an earlier one (directories
/// merge), parents that are missing are made 0755 root:root. Absolute names are taken relative to
/// the root; `..` in a name is refused; symlinks in the middle of a name are followed inside the
/// layer. Same tar, same image, byte for byte.
///
/// File data goes to the image as it comes; names and metadata stay in memory until finish().
/// Needs no privileges. The kernel mounts the file without a loop device from 6.12 on.
class ErofsWriter {
public:
    /// Writes to `fd`, an empty file open for writing; does not own it. `direct` is the same file
    /// opened with O_DIRECT, or empty.
    explicit ErofsWriter(int fd, ErofsLimits limits = {}, Fd direct = {});
    ~ErofsWriter();
    ErofsWriter(const ErofsWriter&) = delete;
    ErofsWriter& operator=(const ErofsWriter&) = delete;

    /// Applies one entry and reads its data from `data`. Throws invalid_argument naming the entry.
    void add(const Entry& entry, ByteSource& data);
    /// Applies every entry of `tar`.
    void add_all(TarReader& tar);

    /// Hard links that still have no target; call it when the tar has ended.
    std::vector<UnresolvedLink> unresolved_links() const;
    /// Makes `link` a file of its own with the metadata of `like` (its name is ignored) and `data`.
    void resolve_link(const UnresolvedLink& link, const Entry& like, ByteSource& data);

    /// Sentences about what was left out on purpose (xattrs EROFS cannot hold, AUFS bookkeeping).
    const std::vector<std::string>& warnings() const;

    /// Writes the metadata and superblock. Throws invalid_argument when links are unresolved.
    ErofsStatistics finish();

private:
    struct Builder;
    std::unique_ptr<Builder> builder_;
};

}  // namespace hull::archive
