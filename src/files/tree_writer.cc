#include "files/tree_writer.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "files/tree.hh"
#include "linux/mount.hh"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>

namespace hull::files {

namespace {

constexpr int max_depth = 2048;  // of a name: 4096 bytes hold no more

std::string parent_of(const std::string& name) {
    const std::size_t slash = name.rfind('/');
    return slash == std::string::npos ? std::string() : name.substr(0, slash);
}

std::string name_in_parent(const std::string& name) {
    const std::size_t slash = name.rfind('/');
    return slash == std::string::npos ? name : name.substr(slash + 1);
}

mode_t node_type(archive::EntryType type) {
    switch (type) {
        case archive::EntryType::char_device: return S_IFCHR;
        case archive::EntryType::block_device: return S_IFBLK;
        default: return S_IFIFO;
    }
}

void set_times(int fd, const archive::Timestamp& time) {
    const struct timespec stamp { time.seconds, time.nanoseconds };
    const std::array<struct timespec, 2> times{stamp, stamp};
    if (::utimensat(AT_FDCWD, path_of(fd).c_str(), times.data(), 0) != 0)
        throw_errno(errno, "setting its times");
}

}  // namespace

/// O_PATH of a directory below `base_`, made with its parents when missing.
Fd TreeWriter::open_directory(const std::string& name, int depth) {
    if (depth > max_depth) throw Error(ErrorKind::invalid_argument, "the name is too deep");
    Fd found = linux_::find_in_root(root_, base_ + "/" + name, O_PATH | O_DIRECTORY);
    if (found) return found;
    if (name.empty()) throw Error(ErrorKind::not_found, "the directory {} is gone", base_);
    const Fd parent = open_directory(parent_of(name), depth + 1);
    const std::string last = name_in_parent(name);
    if (::mkdirat(parent.get(), last.c_str(), 0755) == 0) {
        const Owner owner = options_.owner.value_or(Owner());
        if (::fchownat(parent.get(), last.c_str(), owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW) != 0)
            throw_errno(errno, "setting the owner of {}", archive::quoted(name));
    } else if (errno != EEXIST) {
        throw_errno(errno, "making the directory {}", archive::quoted(name));
    } else if (struct stat info{};
               ::fstatat(parent.get(), last.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
               !S_ISDIR(info.st_mode)) {
        throw Error(ErrorKind::invalid_argument, "{} is in the way and is no directory",
                    archive::quoted(name));
    }
    return sys::openat(parent.get(), last, O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

TreeWriter::Location TreeWriter::locate(const std::string& name) {
    const std::string parent = parent_of(name);
    if (!parent_ || parent != parent_name_) {
        parent_ = open_directory(parent, 0);
        parent_name_ = parent;
    }
    return {parent_.get(), name_in_parent(name)};
}

/// Removes what is in the way. True when a directory is there that the entry's directory joins.
bool TreeWriter::clear_way(const Location& at, const archive::Entry& entry) {
    struct stat info {};
    if (::fstatat(at.parent, at.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) return false;
        throw_errno(errno, "looking at it");
    }
    const bool is_directory = entry.type == archive::EntryType::directory;
    if (S_ISDIR(info.st_mode) && is_directory) return true;
    if (options_.keep_kinds && S_ISDIR(info.st_mode))
        throw Error(ErrorKind::invalid_argument, "cannot overwrite a directory with what is none");
    if (options_.keep_kinds && is_directory)
        throw Error(ErrorKind::invalid_argument,
                    "cannot overwrite what is no directory with a directory");
    if (S_ISDIR(info.st_mode))
        sys::remove_tree(path_of(at.parent) + "/" + at.name);
    else if (::unlinkat(at.parent, at.name.c_str(), 0) != 0 && errno != ENOENT)
        throw_errno(errno, "replacing it");
    return false;
}

Fd TreeWriter::make_file(const Location& at, const archive::Entry& entry,
                         archive::RecordReader& data) {
    Fd file = sys::openat(at.parent, at.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    std::uint64_t written = 0;
    const auto write = [&](std::span<const std::byte> piece) {
        sys::write_all(file.get(), {reinterpret_cast<const char*>(piece.data()), piece.size()});
        written += piece.size();
    };
    if (!entry.sparse) {
        for (auto piece = data.next(); !piece.empty(); piece = data.next()) write(piece);
        return file;
    }
    std::span<const std::byte> piece;
    for (const archive::Extent& extent : entry.extents) {
        if (::lseek(file.get(), static_cast<off_t>(extent.offset), SEEK_SET) < 0)
            throw_errno(errno, "seeking");
        for (std::uint64_t left = extent.size; left > 0;) {
            if (piece.empty()) piece = data.next();
            if (piece.empty()) throw Error(ErrorKind::data_loss, "its data ends early");
            const auto part = piece.first(std::min<std::uint64_t>(left, piece.size()));
            write(part);
            piece = piece.subspan(part.size());
            left -= part.size();
        }
    }
    sys::ftruncate(file.get(), entry.size);
    return file;
}

/// The new file; empty for a hard link, whose metadata is its target's.
Fd TreeWriter::make(const Location& at, const archive::Entry& entry, archive::RecordReader& data) {
    const char* name = at.name.c_str();
    switch (entry.type) {
        case archive::EntryType::file: return make_file(at, entry, data);
        case archive::EntryType::directory:
            if (::mkdirat(at.parent, name, 0700) != 0) throw_errno(errno, "making the directory");
            break;
        case archive::EntryType::symlink:
            if (::symlinkat(entry.link_target.c_str(), at.parent, name) != 0)
                throw_errno(errno, "making the link");
            break;
        case archive::EntryType::hard_link: {
            const Fd directory = open_directory(parent_of(entry.link_target), 0);
            const std::string target = name_in_parent(entry.link_target);
            if (::linkat(directory.get(), target.c_str(), at.parent, name, 0) != 0)
                throw_errno(errno, "linking it to {}", archive::quoted(entry.link_target));
            return Fd();
        }
        default:
            if (::mknodat(at.parent, name, node_type(entry.type) | 0600,
                          makedev(entry.device_major, entry.device_minor)) != 0)
                throw_errno(errno, "making the special file");
    }
    return sys::openat(at.parent, at.name, O_PATH | O_NOFOLLOW);
}

/// Owner before mode: chown clears the set-id bits; attributes after both: chown clears
/// capabilities.
void TreeWriter::set_metadata(int fd, const archive::Entry& entry) {
    const Owner owner = options_.owner.value_or(Owner{entry.uid, entry.gid});
    const std::string path = path_of(fd);
    if (::fchownat(fd, "", owner.uid, owner.gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0)
        throw_errno(errno, "setting its owner");
    if (entry.type != archive::EntryType::symlink && ::chmod(path.c_str(), entry.mode) != 0)
        throw_errno(errno, "setting its mode");
    for (const auto& [name, value] : entry.xattrs) {
        if (::setxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) == 0) continue;
        if (errno != EOPNOTSUPP && errno != EPERM)
            throw_errno(errno, "setting its attribute {}", archive::quoted(name));
        options_.warn(fmt::format("{}: the file system does not take its attribute {}",
                                  archive::quoted(entry.name), archive::quoted(name)));
    }
}

void TreeWriter::write(const archive::Entry& entry, archive::RecordReader& data) {
    if (entry.name.empty()) {
        if (entry.type == archive::EntryType::directory) return;  // it is there, and stays
        throw Error(ErrorKind::invalid_argument,
                    "cannot overwrite the directory itself with what is none");
    }
    const Location at = locate(entry.name);
    Fd made = clear_way(at, entry)
                  ? sys::openat(at.parent, at.name, O_PATH | O_DIRECTORY | O_NOFOLLOW)
                  : make(at, entry, data);
    if (!made) return;
    set_metadata(made.get(), entry);
    if (entry.type == archive::EntryType::directory)
        directory_times_.emplace_back(entry.name, entry.mtime);  // files to come change them
    else
        set_times(made.get(), entry.mtime);
}

void TreeWriter::write_all(archive::RecordReader& records) {
    while (const archive::Entry* entry = records.next_entry())
        with_context([&] { write(*entry, records); }, "{}",
                     archive::quoted(base_ == "/" ? "/" + entry->name : base_ + "/" + entry->name));
    for (const auto& [name, time] : directory_times_) {
        const Location at = locate(name);
        const Fd directory = find_child(at.parent, at.name);
        if (directory && S_ISDIR(sys::fstat(directory.get()).st_mode))
            set_times(directory.get(), time);
    }
}

}  // namespace hull::files
