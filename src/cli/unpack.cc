#include "cli/unpack.hh"

#include "archive/tar_reader.hh"
#include "base/error.hh"
#include "base/sys.hh"
#include "base/text.hh"

#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <vector>

namespace hull::cli {
namespace {

using archive::Entry;
using archive::EntryType;

constexpr std::uint64_t inside = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
constexpr std::string_view capability = "security.capability";

/// "a//b/./c" -> {a, b, c}. Throws for "..".
std::vector<std::string> parts_of(std::string_view name) {
    std::vector<std::string> parts;
    for (std::string& part : split_nonempty(name, '/')) {
        if (part == ".") continue;
        if (part == "..")
            throw Error(ErrorKind::invalid_argument,
                        "the archive names {}, which leads out of it: nothing of it is kept",
                        archive::quoted(name));
        parts.push_back(std::move(part));
    }
    return parts;
}

std::string join_parts(const std::vector<std::string>& parts, std::size_t count) {
    std::string path;
    for (std::size_t i = 0; i < count; ++i) path += (i ? "/" : "") + parts[i];
    return path;
}

class Unpacker {
public:
    Unpacker(archive::TarReader& tar, const UnpackPlan& plan)
        : tar_(tar), plan_(plan), root_(sys::open(plan.parent, O_RDONLY | O_DIRECTORY)) {}

    std::uint64_t run() {
        while (const Entry* entry = tar_.next_entry())
            with_context([&] { make(*entry); }, "copying {}", archive::quoted(entry->name));
        // Contents change a directory's time, and a read-only mode would keep them out.
        for (auto made = directories_.rbegin(); made != directories_.rend(); ++made) {
            const Fd directory =
                sys::openat2(root_.get(), made->path, O_RDONLY | O_DIRECTORY, inside);
            finish(directory.get(), made->entry);
        }
        return bytes_;
    }

private:
    /// The entry's place below the root: the archive's top becomes plan.name.
    std::vector<std::string> place_of(std::string_view name) const {
        std::vector<std::string> parts = parts_of(name);
        if (!plan_.top.empty() && !parts.empty() && parts[0] == plan_.top)
            parts.erase(parts.begin());
        if (!plan_.name.empty()) parts.insert(parts.begin(), plan_.name);
        return parts;
    }

    Fd open_parent(const std::vector<std::string>& parts) const {
        const std::string path = join_parts(parts, parts.size() - 1);
        return sys::openat2(root_.get(), path.empty() ? "." : path, O_RDONLY | O_DIRECTORY, inside);
    }

    void make(const Entry& entry) {
        const std::vector<std::string> parts = place_of(entry.name);
        if (parts.empty()) return;  // the destination itself, which is there
        const Fd parent = open_parent(parts);
        const std::string& name = parts.back();
        switch (entry.type) {
            case EntryType::directory: make_directory(parent, parts, entry); return;
            case EntryType::file: make_file(parent, name, entry); return;
            case EntryType::symlink:
                make_room(parent, name);
                if (::symlinkat(entry.link_target.c_str(), parent.get(), name.c_str()) != 0)
                    throw_errno(errno, "making the link");
                break;
            case EntryType::hard_link: make_hard_link(parent, name, entry); return;
            case EntryType::fifo: make_node(parent, name, entry, S_IFIFO); break;
            case EntryType::char_device:
            case EntryType::block_device:
                if (!plan_.keep_owner) {
                    plan_.warn(fmt::format("{} is a device: left out, --archive copies it",
                                           archive::quoted(entry.name)));
                    return;
                }
                make_node(parent, name, entry,
                          entry.type == EntryType::char_device ? S_IFCHR : S_IFBLK);
                break;
        }
        finish_at(parent.get(), name, entry);
    }

    /// Removes what has the name, unless it is a directory.
    static void make_room(const Fd& parent, const std::string& name) {
        if (::unlinkat(parent.get(), name.c_str(), 0) == 0 || errno == ENOENT) return;
        if (errno == EISDIR || errno == EPERM)
            throw Error(ErrorKind::conflict, "cannot overwrite a directory with a non-directory");
        throw_errno(errno, "replacing it");
    }

    void make_directory(const Fd& parent, const std::vector<std::string>& parts,
                        const Entry& entry) {
        const std::string& name = parts.back();
        if (::mkdirat(parent.get(), name.c_str(), 0700) != 0) {
            if (errno != EEXIST) throw_errno(errno, "making the directory");
            struct stat stat = {};
            if (::fstatat(parent.get(), name.c_str(), &stat, AT_SYMLINK_NOFOLLOW) != 0)
                throw_errno(errno, "looking at it");
            if (!S_ISDIR(stat.st_mode)) {
                if (parts.size() == 1)
                    throw Error(ErrorKind::conflict,
                                "cannot overwrite a non-directory with a directory");
                make_room(parent, name);
                if (::mkdirat(parent.get(), name.c_str(), 0700) != 0)
                    throw_errno(errno, "making the directory");
            }
        }
        Entry kept;
        kept.mode = entry.mode;
        kept.uid = entry.uid;
        kept.gid = entry.gid;
        kept.mtime = entry.mtime;
        directories_.push_back({join_parts(parts, parts.size()), std::move(kept)});
    }

    void make_file(const Fd& parent, const std::string& name, const Entry& entry) {
        make_room(parent, name);
        const Fd file =
            sys::openat(parent.get(), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
        copy_data(file.get(), entry);
        finish(file.get(), entry);
    }

    void copy_data(int file, const Entry& entry) {
        if (!entry.sparse) {
            for (auto piece = tar_.next(); !piece.empty(); piece = tar_.next()) {
                sys::write_all(file, {reinterpret_cast<const char*>(piece.data()), piece.size()});
                bytes_ += piece.size();
            }
            return;
        }
        sys::ftruncate(file, entry.size);
        std::span<const std::byte> piece;
        for (const archive::Extent& extent : entry.extents) {
            for (std::uint64_t done = 0; done < extent.size;) {
                if (piece.empty()) piece = tar_.next();
                if (piece.empty()) return;  // the reader says when an archive is cut short
                const auto part =
                    piece.first(std::min<std::uint64_t>(piece.size(), extent.size - done));
                sys::pwrite_all(file, {reinterpret_cast<const char*>(part.data()), part.size()},
                                extent.offset + done);
                piece = piece.subspan(part.size());
                done += part.size();
                bytes_ += part.size();
            }
        }
    }

    void make_hard_link(const Fd& parent, const std::string& name, const Entry& entry) {
        const std::vector<std::string> target = place_of(entry.link_target);
        if (target.empty())
            throw Error(ErrorKind::invalid_argument, "it links to the top of the archive");
        const Fd target_parent = open_parent(target);
        make_room(parent, name);
        if (::linkat(target_parent.get(), target.back().c_str(), parent.get(), name.c_str(), 0) !=
            0)
            throw_errno(errno, "linking it to {}", archive::quoted(entry.link_target));
    }

    void make_node(const Fd& parent, const std::string& name, const Entry& entry, mode_t type) {
        make_room(parent, name);
        if (::mknodat(parent.get(), name.c_str(), type | 0600,
                      makedev(entry.device_major, entry.device_minor)) != 0)
            throw_errno(errno, "making the special file");
    }

    /// A setuid bit with another owner would be somebody else's rights, so it goes with the owner.
    mode_t mode_of(const Entry& entry) const {
        return plan_.keep_owner ? entry.mode & 07777 : entry.mode & 01777;
    }

    void finish(int fd, const Entry& entry) const {
        if (plan_.keep_owner && ::fchown(fd, entry.uid, entry.gid) != 0)
            throw_errno(errno, "giving it to {}:{}", entry.uid, entry.gid);
        if (::fchmod(fd, mode_of(entry)) != 0) throw_errno(errno, "setting its mode");
        const auto value = entry.xattrs.find(std::string(capability));
        if (plan_.keep_owner && value != entry.xattrs.end() &&
            ::fsetxattr(fd, capability.data(), value->second.data(), value->second.size(), 0) != 0)
            throw_errno(errno, "setting its capabilities");
        const timespec times[2] = {{0, UTIME_OMIT}, time_of(entry)};
        if (::futimens(fd, times) != 0) throw_errno(errno, "setting its time");
    }

    void finish_at(int parent, const std::string& name, const Entry& entry) const {
        if (plan_.keep_owner &&
            ::fchownat(parent, name.c_str(), entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) != 0)
            throw_errno(errno, "giving it to {}:{}", entry.uid, entry.gid);
        if (entry.type != EntryType::symlink &&
            ::fchmodat(parent, name.c_str(), mode_of(entry), 0) != 0)
            throw_errno(errno, "setting its mode");
        const timespec times[2] = {{0, UTIME_OMIT}, time_of(entry)};
        if (::utimensat(parent, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
            throw_errno(errno, "setting its time");
    }

    static timespec time_of(const Entry& entry) {
        return {entry.mtime.seconds, static_cast<long>(entry.mtime.nanoseconds)};
    }

    struct MadeDirectory {
        std::string path;
        Entry entry;
    };
    archive::TarReader& tar_;
    const UnpackPlan& plan_;
    const Fd root_;
    std::vector<MadeDirectory> directories_;
    std::uint64_t bytes_ = 0;
};

}  // namespace

std::uint64_t unpack(archive::ByteSource& source, const UnpackPlan& plan) {
    archive::TarReader tar(source);
    return Unpacker(tar, plan).run();
}

}  // namespace hull::cli
