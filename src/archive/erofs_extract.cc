#include "archive/erofs_format.hh"
#include "archive/erofs_reader.hh"
#include "base/error.hh"
#include "base/sys.hh"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <unordered_map>
#include <unordered_set>

namespace hull::archive {

namespace {

/// One descriptor is open per level.
constexpr std::size_t max_depth = 400;

bool all_zero(std::span<const std::byte> bytes) {
    return std::all_of(bytes.begin(), bytes.end(),
                       [](std::byte byte) { return byte == std::byte{0}; });
}

class Extractor {
public:
    Extractor(const ErofsReader& image, int root, const ExtractOptions& options)
        : image_(image), root_(root), options_(options) {}

    void extract_all() {
        const ErofsInode root = image_.root();
        extract_directory(root_, root, "", 0);
    }

private:
    void extract_directory(int directory, const ErofsInode& inode, const std::string& path,
                           std::size_t depth);
    void extract_one(int directory, const std::string& name, const ErofsInode& inode,
                     const std::string& path, std::size_t depth);
    void extract_file(int directory, const std::string& name, const ErofsInode& inode);
    void copy_content(int file, const ErofsInode& inode);
    /// By descriptor, for files and directories.
    void set_metadata(int fd, const ErofsInode& inode);
    /// By name, for what cannot be opened.
    void set_metadata(int directory, const std::string& name, const ErofsInode& inode);
    bool wants_xattr(const std::string& name) const;

    const ErofsReader& image_;
    int root_;
    const ExtractOptions& options_;
    std::unordered_map<std::uint64_t, std::string> first_path_;  ///< of inodes with several names
    std::unordered_set<std::uint64_t> directories_;
    std::vector<std::byte> buffer_ = std::vector<std::byte>(256UL << 10);
};

bool Extractor::wants_xattr(const std::string& name) const {
    const bool needs_root = name.starts_with("trusted.") || name.starts_with("security.");
    return options_.trusted_xattrs || !needs_root;
}

void Extractor::set_metadata(int fd, const ErofsInode& inode) {
    // Ownership first: chown clears setuid bits and file capabilities.
    if (options_.ownership && ::fchown(fd, inode.uid, inode.gid) != 0) throw_errno(errno, "chown");
    for (const auto& [name, value] : image_.xattrs(inode))
        if (wants_xattr(name) &&
            ::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) != 0 &&
            errno != EOPNOTSUPP)
            throw_errno(errno, "setting {}", name);
    if (::fchmod(fd, inode.mode & 07777) != 0) throw_errno(errno, "chmod");
    const timespec times[2] = {{inode.mtime.seconds, inode.mtime.nanoseconds},
                               {inode.mtime.seconds, inode.mtime.nanoseconds}};
    if (::futimens(fd, times) != 0) throw_errno(errno, "setting times");
}

void Extractor::set_metadata(int directory, const std::string& name, const ErofsInode& inode) {
    if (options_.ownership &&
        ::fchownat(directory, name.c_str(), inode.uid, inode.gid, AT_SYMLINK_NOFOLLOW) != 0)
        throw_errno(errno, "chown");
    const std::string by_directory = fmt::format("/proc/self/fd/{}/{}", directory, name);
    for (const auto& [key, value] : image_.xattrs(inode))
        if (wants_xattr(key) &&
            ::lsetxattr(by_directory.c_str(), key.c_str(), value.data(), value.size(), 0) != 0 &&
            errno != EOPNOTSUPP && errno != EPERM)  // user.* is not for symlinks and devices
            throw_errno(errno, "setting {}", key);
    if (!S_ISLNK(inode.mode) && ::fchmodat(directory, name.c_str(), inode.mode & 07777, 0) != 0)
        throw_errno(errno, "chmod");
    const timespec times[2] = {{inode.mtime.seconds, inode.mtime.nanoseconds},
                               {inode.mtime.seconds, inode.mtime.nanoseconds}};
    if (::utimensat(directory, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
        throw_errno(errno, "setting times");
}

void Extractor::copy_content(int file, const ErofsInode& inode) {
    for (std::uint64_t offset = image_.next_data(inode, 0); offset < inode.size;) {
        const std::size_t count = image_.read(inode, offset, buffer_);
        const auto bytes = std::span(buffer_).first(count);
        if (!all_zero(bytes))
            sys::pwrite_all(file, {reinterpret_cast<const char*>(bytes.data()), count}, offset);
        offset = image_.next_data(inode, offset + count);
    }
    sys::ftruncate(file, inode.size);
}

void Extractor::extract_file(int directory, const std::string& name, const ErofsInode& inode) {
    const Fd file = sys::openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    copy_content(file.get(), inode);
    set_metadata(file.get(), inode);
}

void Extractor::extract_one(int directory, const std::string& name, const ErofsInode& inode,
                            const std::string& path, std::size_t depth) {
    if (!S_ISDIR(inode.mode) && inode.link_count > 1) {
        const auto [first, is_new] = first_path_.try_emplace(inode.nid, path);
        if (!is_new) {
            const Fd target = sys::openat2(root_, first->second, O_PATH | O_NOFOLLOW,
                                           RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
            const std::string by_fd = fmt::format("/proc/self/fd/{}", target.get());
            if (::linkat(target.get(), "", directory, name.c_str(), AT_EMPTY_PATH) != 0 &&
                ::linkat(AT_FDCWD, by_fd.c_str(), directory, name.c_str(), AT_SYMLINK_FOLLOW) != 0)
                throw_errno(errno, "linking");
            return;
        }
    }
    switch (inode.mode & S_IFMT) {
        case S_IFDIR: {
            if (::mkdirat(directory, name.c_str(), 0700) != 0) throw_errno(errno, "mkdir");
            const Fd child = sys::openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
            extract_directory(child.get(), inode, path, depth + 1);
            return;
        }
        case S_IFREG: return extract_file(directory, name, inode);
        case S_IFLNK:
            if (::symlinkat(image_.read_link(inode).c_str(), directory, name.c_str()) != 0)
                throw_errno(errno, "symlink");
            break;
        default: {
            if (!options_.devices && !S_ISFIFO(inode.mode) && !S_ISSOCK(inode.mode)) return;
            const dev_t device = ::makedev(inode.device_major, inode.device_minor);
            if (::mknodat(directory, name.c_str(), (inode.mode & S_IFMT) | 0600, device) != 0)
                throw_errno(errno, "mknod");
        }
    }
    set_metadata(directory, name, inode);
}

/// Metadata last: filling a directory changes its time, and its mode may forbid it.
void Extractor::extract_directory(int directory, const ErofsInode& inode, const std::string& path,
                                  std::size_t depth) {
    if (depth > max_depth)
        throw Error(ErrorKind::unsupported, "directories nested deeper than {}", max_depth);
    if (!directories_.insert(inode.nid).second)
        throw Error(ErrorKind::data_loss, "corrupt EROFS image: a directory with two names");
    for (const ErofsDirent& dirent : image_.list(inode)) {
        const std::string child_path = path.empty() ? dirent.name : path + "/" + dirent.name;
        const ErofsInode child = image_.inode(dirent.nid);
        if (S_ISDIR(child.mode)) {
            extract_one(directory, dirent.name, child, child_path, depth);
            continue;
        }
        with_context([&] { extract_one(directory, dirent.name, child, child_path, depth); },
                     "unpacking {}", quoted(child_path));
    }
    set_metadata(directory, inode);
}

}  // namespace

void extract_erofs(const ErofsReader& image, int directory, const ExtractOptions& options) {
    Extractor(image, directory, options).extract_all();
}

}  // namespace hull::archive
