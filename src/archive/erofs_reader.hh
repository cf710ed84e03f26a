#pragma once
#include "archive/tar_entry.hh"

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hull::archive {

/// One inode of an image.
struct ErofsInode {
    std::uint64_t nid = 0;
    std::uint32_t mode = 0;  ///< with the S_IFMT type
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t link_count = 0;
    std::uint64_t size = 0;
    Timestamp mtime;
    std::uint32_t device_major = 0;
    std::uint32_t device_minor = 0;

    // Where its bytes are; for ErofsReader.
    std::uint32_t layout = 0;
    std::uint32_t block_address = 0;
    std::uint64_t xattr_offset = 0;
    std::uint32_t xattr_size = 0;
    std::uint64_t inline_offset = 0;

    bool is_whiteout() const;  ///< a 0:0 character device: hides what lower layers have
};

struct ErofsDirent {
    std::string name;
    std::uint64_t nid = 0;
};

/// Reads uncompressed EROFS images as ErofsWriter makes them (extended inodes, flat layouts).
/// The image may come from an unprivileged process: every offset is checked against the file, and
/// what does not fit throws data_loss.
class ErofsReader {
public:
    /// `fd` must stay open; it is only read by pread(2).
    explicit ErofsReader(int fd);

    ErofsInode root() const;
    ErofsInode inode(std::uint64_t nid) const;
    /// Without `.` and `..`, sorted by bytes. Duplicate and unclean names throw.
    std::vector<ErofsDirent> list(const ErofsInode& directory) const;
    std::map<std::string, std::string> xattrs(const ErofsInode& inode) const;
    std::string read_link(const ErofsInode& symlink) const;
    /// Bytes of a file from `offset`; returns fewer only at its end.
    std::size_t read(const ErofsInode& file, std::uint64_t offset, std::span<std::byte> into) const;
    /// Where data begins at or after `offset`: what lies between is a hole of the image file.
    std::uint64_t next_data(const ErofsInode& file, std::uint64_t offset) const;
    /// By clean relative path ("" is the root), not following symlinks.
    std::optional<ErofsInode> find(std::string_view path) const;

    /// Every inode once per name, parents before children; `path` is relative, "" for the root.
    /// Refuses directory loops and nesting deeper than 2048.
    void walk(const std::function<void(const std::string& path, const ErofsInode&)>& visit) const;

private:
    void read_at(std::uint64_t offset, std::span<std::byte> into) const;
    void check_range(std::uint64_t offset, std::uint64_t size, std::string_view what) const;
    void list_block(std::span<const std::byte> block, std::vector<ErofsDirent>& into) const;

    int fd_;
    std::uint64_t image_size_ = 0;
    std::uint64_t metadata_offset_ = 0;
    std::uint64_t root_nid_ = 0;
};

struct ExtractOptions {
    bool ownership = true;       ///< chown; needs root
    bool devices = true;         ///< mknod for devices and whiteouts; needs root
    bool trusted_xattrs = true;  ///< trusted.* and security.*; needs root
};

/// Unpacks an image into the empty directory `directory`, for hosts whose kernel cannot mount it.
/// Every name is opened relative to a directory descriptor without following symlinks, so that
/// nothing outside is touched.
void extract_erofs(const ErofsReader& image, int directory, const ExtractOptions& options = {});

}  // namespace hull::archive
