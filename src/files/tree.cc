#include "files/tree.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/sys.hh"
#include "linux/mount.hh"

#include <dirent.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>

namespace hull::files {

namespace {

struct DirectoryCloser {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

bool ends_in_directory(std::string_view path) {
    return path.empty() || path == "." || path == ".." || path.ends_with('/') ||
           path.ends_with("/.") || path.ends_with("/..");
}

/// As Docker names it: "/" for nothing but slashes, "." for "/data/.", "data" for "/data/".
std::string last_component(std::string_view path) {
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    if (path.empty() || path == "/") return "/";
    return std::string(path.substr(path.rfind('/') + 1));
}

/// Where a link that leads nowhere would lead.
std::string join_lexically(std::string_view path, std::string_view target) {
    std::string whole(target);
    if (!target.starts_with('/')) {
        const std::size_t slash = path.rfind('/');
        whole = (slash == std::string_view::npos ? std::string() : std::string(path, 0, slash)) +
                "/" + whole;
    }
    std::vector<std::string_view> parts;
    const std::string_view text = whole;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('/', at), text.size());
        const std::string_view part = text.substr(at, end - at);
        at = end + 1;
        if (part == ".." && !parts.empty()) parts.pop_back();
        if (!part.empty() && part != "." && part != "..") parts.push_back(part);
    }
    std::string result;
    for (const std::string_view part : parts) result.append("/").append(part);
    return result.empty() ? "/" : result;
}

std::string find_link(const std::string& path) {
    std::array<char, 4096> buffer;
    const ssize_t size = ::readlink(path.c_str(), buffer.data(), buffer.size());
    return size < 0 ? std::string() : std::string(buffer.data(), static_cast<std::size_t>(size));
}

/// Where the link at `path` leads in the end, from the root: what the kernel found, or what the
/// link says when nothing is there.
std::string resolve_link(int root, const std::string& path, const Place& place) {
    const Fd target = linux_::find_in_root(root, path, O_PATH);
    if (!target) return join_lexically(path, read_link(place.fd.get()));
    const std::string above = find_link(path_of(root)), found = find_link(path_of(target.get()));
    if (above == "/") return found;
    if (found == above) return "/";
    if (found.starts_with(above + "/")) return found.substr(above.size());
    return join_lexically(path, read_link(place.fd.get()));
}

}  // namespace

std::string path_of(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

Fd reopen(int fd, int flags) {
    return sys::open(path_of(fd), flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

Fd find_child(int directory, const std::string& name) {
    Fd fd(::openat(directory, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!fd && errno != ENOENT) throw_errno(errno, "opening {}", archive::quoted(name));
    return fd;
}

Fd find_file_to_read(int directory, const std::string& name) {
    // A link or a pipe that took its place neither leads elsewhere nor waits.
    Fd fd(::openat(directory, name.c_str(),
                   O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!fd && errno != ENOENT && errno != ELOOP && errno != ENXIO)
        throw_errno(errno, "opening {}", archive::quoted(name));
    if (fd && !S_ISREG(sys::fstat(fd.get()).st_mode)) return {};
    return fd;
}

std::string read_link(int fd) {
    std::array<char, 4096> buffer;
    const ssize_t size = ::readlinkat(fd, "", buffer.data(), buffer.size());
    if (size < 0) throw_errno(errno, "reading a link");
    return std::string(buffer.data(), static_cast<std::size_t>(size));
}

std::optional<Place> find_place(int root, const std::string& path) {
    const bool follow = ends_in_directory(path);
    Place place;
    place.fd = linux_::find_in_root(root, path, follow ? O_PATH : O_PATH | O_NOFOLLOW);
    if (!place.fd) return std::nullopt;
    place.info = sys::fstat(place.fd.get());
    if (follow && !S_ISDIR(place.info.st_mode))
        throw Error(ErrorKind::invalid_argument, "{} is not a directory", path);
    place.name = last_component(path);
    return place;
}

PathStat describe_place(int root, const std::string& path, const Place& place) {
    PathStat stat;
    stat.name = place.name;
    stat.size = static_cast<std::uint64_t>(place.info.st_size);
    stat.mode = go_file_mode(place.info.st_mode);
    stat.mtime_ns = place.info.st_mtim.tv_sec * 1'000'000'000L + place.info.st_mtim.tv_nsec;
    if (S_ISLNK(place.info.st_mode)) stat.link_target = resolve_link(root, path, place);
    return stat;
}

std::vector<std::string> list_names(int directory) {
    Fd fd = reopen(directory, O_RDONLY | O_DIRECTORY);
    const std::unique_ptr<DIR, DirectoryCloser> stream(::fdopendir(fd.get()));
    if (!stream) throw_errno(errno, "reading a directory");
    static_cast<void>(fd.release());  // the stream's now
    std::vector<std::string> names;
    for (;;) {
        errno = 0;
        const dirent* entry = ::readdir(stream.get());
        if (!entry) break;
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
    }
    if (errno != 0) throw_errno(errno, "reading a directory");
    std::sort(names.begin(), names.end());
    return names;
}

std::string find_xattr(int fd, const char* name) {
    std::array<char, 65536> value;
    const ssize_t size = ::getxattr(path_of(fd).c_str(), name, value.data(), value.size());
    return size < 0 ? std::string() : std::string(value.data(), static_cast<std::size_t>(size));
}

std::map<std::string, std::string> read_xattrs(int fd) {
    std::map<std::string, std::string> xattrs;
    std::array<char, 65536> names;
    // An O_PATH descriptor has none itself.
    ssize_t length = ::flistxattr(fd, names.data(), names.size());
    if (length < 0 && errno == EBADF)
        length = ::listxattr(path_of(fd).c_str(), names.data(), names.size());
    for (ssize_t at = 0; at < length;) {
        const std::string name = names.data() + at;
        at += static_cast<ssize_t>(name.size()) + 1;
        if (name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.") ||
            name == "security.selinux" || name == "security.ima" || name == "security.evm")
            continue;
        xattrs.emplace(name, find_xattr(fd, name.c_str()));
    }
    return xattrs;
}

std::optional<archive::EntryType> entry_type(mode_t mode) {
    switch (mode & S_IFMT) {
        case S_IFREG: return archive::EntryType::file;
        case S_IFDIR: return archive::EntryType::directory;
        case S_IFLNK: return archive::EntryType::symlink;
        case S_IFCHR: return archive::EntryType::char_device;
        case S_IFBLK: return archive::EntryType::block_device;
        case S_IFIFO: return archive::EntryType::fifo;
        default: return std::nullopt;
    }
}

archive::Entry make_entry(int fd, const struct stat& info, archive::EntryType type,
                          std::string name) {
    archive::Entry entry;
    entry.type = type;
    entry.name = std::move(name);
    entry.mode = info.st_mode & 07777;
    entry.uid = info.st_uid;
    entry.gid = info.st_gid;
    entry.mtime = {info.st_mtim.tv_sec, static_cast<std::uint32_t>(info.st_mtim.tv_nsec)};
    if (type == archive::EntryType::file)
        entry.size = entry.stored_size = static_cast<std::uint64_t>(info.st_size);
    if (type == archive::EntryType::symlink) entry.link_target = read_link(fd);
    if (type == archive::EntryType::char_device || type == archive::EntryType::block_device) {
        entry.device_major = major(info.st_rdev);
        entry.device_minor = minor(info.st_rdev);
    }
    entry.xattrs = read_xattrs(fd);
    return entry;
}

}  // namespace hull::files
