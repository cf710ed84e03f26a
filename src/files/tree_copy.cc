#include "files/tree_copy.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "files/tree.hh"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>

namespace hull::files {

namespace {

constexpr int deepest = 4000;  // each level holds two descriptors

void set_times(int fd, const struct stat& info) {
    const std::array<struct timespec, 2> times{info.st_atim, info.st_mtim};
    if (::utimensat(fd, "", times.data(), AT_EMPTY_PATH) != 0 &&
        ::utimensat(AT_FDCWD, path_of(fd).c_str(), times.data(), 0) != 0)
        throw_errno(errno, "setting its times");
}

/// Owner before mode: chown clears the set-id bits; attributes last: chown clears capabilities.
void copy_metadata(int source, int target, const struct stat& info) {
    if (::fchownat(target, "", info.st_uid, info.st_gid, AT_EMPTY_PATH) != 0)
        throw_errno(errno, "setting its owner");
    const std::string path = path_of(target);
    if (!S_ISLNK(info.st_mode) && ::chmod(path.c_str(), info.st_mode & 07777) != 0)
        throw_errno(errno, "setting its mode");
    for (const auto& [name, value] : read_xattrs(source))
        if (::setxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) != 0 &&
            errno != EOPNOTSUPP && errno != EPERM)
            throw_errno(errno, "setting its attribute {}", name);
    set_times(target, info);
}

void copy_range(int from, int to, off_t begin, off_t end) {
    std::array<std::byte, 128UL << 10> buffer;
    while (begin < end) {
        off_t in = begin, out = begin;
        const auto wanted = static_cast<std::size_t>(end - begin);
        const ssize_t moved = ::copy_file_range(from, &in, to, &out, wanted, 0);
        if (moved > 0) {
            begin += moved;
            continue;
        }
        if (moved == 0) return;  // it has shrunk meanwhile
        // Between file systems of different kinds, or on one that cannot.
        if (errno != EXDEV && errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS)
            throw_errno(errno, "copying its content");
        const ssize_t count = ::pread(from, buffer.data(), std::min(buffer.size(), wanted), begin);
        if (count < 0) throw_errno(errno, "reading it");
        if (count == 0) return;
        sys::pwrite_all(to,
                        std::string_view(reinterpret_cast<const char*>(buffer.data()),
                                         static_cast<std::size_t>(count)),
                        static_cast<std::uint64_t>(begin));
        begin += count;
    }
}

}  // namespace

void TreeCopy::copy(int source) {
    const struct stat info = sys::fstat(source);
    copy_children(source, target_, "", 0);
    copy_metadata(source, target_, info);
}

void TreeCopy::copy_children(int source, int target, const std::string& path, int depth) {
    if (depth > deepest) throw Error(ErrorKind::unsupported, "directories are nested too deep");
    for (const std::string& name : list_names(source)) {
        const Fd child = find_child(source, name);
        if (!child) continue;  // it has gone meanwhile
        const std::string child_path = path.empty() ? name : path + "/" + name;
        with_context(
            [&] {
            copy_entry(child.get(), sys::fstat(child.get()), target, name, child_path, depth);
            },
            "{}", depth == 0 ? "/" + child_path : name);
    }
}

void TreeCopy::copy_entry(int source, const struct stat& info, int parent, const std::string& name,
                          const std::string& path, int depth) {
    if (copy_as_link(info, parent, name, path)) return;
    if (S_ISDIR(info.st_mode)) {
        if (::mkdirat(parent, name.c_str(), 0700) != 0) throw_errno(errno, "making it");
        const Fd made = sys::openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
        copy_children(source, made.get(), path, depth + 1);
        return copy_metadata(source, made.get(), info);
    }
    if (S_ISREG(info.st_mode)) {
        copy_content(source, parent, name, static_cast<std::uint64_t>(info.st_size));
    } else if (S_ISLNK(info.st_mode)) {
        if (::symlinkat(read_link(source).c_str(), parent, name.c_str()) != 0)
            throw_errno(errno, "making it");
    } else if (::mknodat(parent, name.c_str(), info.st_mode & (S_IFMT | 07777), info.st_rdev) !=
               0) {
        throw_errno(errno, "making it");
    }
    const Fd made = sys::openat(parent, name, O_PATH | O_NOFOLLOW);
    copy_metadata(source, made.get(), info);
}

/// With holes, and in no time where blocks can be shared.
void TreeCopy::copy_content(int source, int parent, const std::string& name, std::uint64_t size) {
    const Fd from = reopen(source, O_RDONLY);
    const Fd to = sys::openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (can_share_blocks_) {
        if (::ioctl(to.get(), FICLONE, from.get()) == 0) return;
        can_share_blocks_ = false;
    }
    sys::ftruncate(to.get(), size);
    const auto end = static_cast<off_t>(size);
    for (off_t at = 0; at < end;) {
        const off_t data = ::lseek(from.get(), at, SEEK_DATA);
        if (data < 0 && errno == ENXIO) return;  // only a hole is left
        const off_t begin = data < 0 ? at : data;
        const off_t hole = data < 0 ? end : ::lseek(from.get(), begin, SEEK_HOLE);
        const off_t stop = hole < 0 ? end : std::min(hole, end);
        if (begin >= end) return;
        copy_range(from.get(), to.get(), begin, stop);
        at = stop;
    }
}

/// The place where it was made first is looked up again, and only linked when it is what we made:
/// somebody else may write in the target.
bool TreeCopy::copy_as_link(const struct stat& info, int parent, const std::string& name,
                            const std::string& path) {
    if (S_ISDIR(info.st_mode) || info.st_nlink < 2) return false;
    const auto [first, is_new] = linked_.emplace(FileId{info.st_dev, info.st_ino}, path);
    if (is_new) return false;
    const Fd made = sys::openat2(target_, first->second, O_PATH | O_NOFOLLOW,
                                 RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    if (::linkat(made.get(), "", parent, name.c_str(), AT_EMPTY_PATH) != 0)
        throw_errno(errno, "linking it to {}", first->second);
    return true;
}

}  // namespace hull::files
