#include "files/tree_tar.hh"

#include "base/error.hh"
#include "base/sys.hh"

#include <fcntl.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>

namespace hull::files {

namespace {

/// Every level keeps a descriptor open.
constexpr int max_depth = 4000;
constexpr std::string_view whiteout_prefix = ".wh.";

/// Of more stretches than this a file is written whole.
constexpr std::size_t max_stretches = 10'000;

/// What of a file is not holes; empty when it has none worth telling, or when nobody knows.
std::vector<archive::Extent> find_stretches(int fd, const struct stat& info) {
    std::vector<archive::Extent> stretches;
    const off_t size = info.st_size;
    if (info.st_blocks * 512 >= size) return {};
    for (off_t at = 0; at < size;) {
        const off_t data = ::lseek(fd, at, SEEK_DATA);
        if (data < 0 && errno != ENXIO) return {};
        if (data < 0 || data >= size) break;
        const off_t hole = ::lseek(fd, data, SEEK_HOLE);
        if (hole < 0) return {};
        at = std::min(hole, size);
        stretches.push_back(
            {static_cast<std::uint64_t>(data), static_cast<std::uint64_t>(at - data)});
        if (stretches.size() > max_stretches) return {};
    }
    const bool ends_in_hole = stretches.empty() || stretches.back().offset + stretches.back().size <
                                                       static_cast<std::uint64_t>(size);
    // GNU tar tells the end of a file by an empty stretch there.
    if (ends_in_hole) stretches.push_back({static_cast<std::uint64_t>(size), 0});
    if (stretches.size() == 1 && stretches[0].offset == 0) return {};
    return stretches;
}

bool is_whiteout(const struct stat& info) { return S_ISCHR(info.st_mode) && info.st_rdev == 0; }

}  // namespace

void TreeTar::add(int fd, const std::string& name) {
    const struct stat info = sys::fstat(fd);
    add_entry(fd, info, name, 0);
}

void TreeTar::add_children(int fd, const std::string& prefix, int depth) {
    if (depth > max_depth)
        throw Error(ErrorKind::unsupported, "{}: directories nested deeper than {} cannot be read",
                    archive::quoted(prefix), max_depth);
    // Overlayfs says it of the whole directory; layer.md wants it before the other entries.
    if (options_.is_layer && find_xattr(fd, "trusted.overlay.opaque") == "y") {
        archive::Entry opaque;
        opaque.name = prefix + ".wh..wh..opq";
        tar_.add(opaque);
    }
    for (const std::string& name : list_names(fd)) {
        const Fd child = find_child(fd, name);
        if (!child) continue;
        const struct stat info = sys::fstat(child.get());
        if (options_.is_layer && is_whiteout(info)) {
            add_whiteout(prefix, name);
            continue;
        }
        if (options_.is_layer && name.starts_with(whiteout_prefix))
            throw Error(ErrorKind::invalid_argument,
                        "{} cannot be in an image: names that begin with {} mean deletions there; "
                        "rename or remove it",
                        archive::quoted("/" + prefix + name), whiteout_prefix);
        if (was_made_to_mount(child.get(), info, prefix + name)) continue;
        add_entry(child.get(), info, prefix + name, depth);
    }
}

/// A mount point without anything in it, or a directory on the way to nothing else.
bool TreeTar::was_made_to_mount(int fd, const struct stat& info, const std::string& name) const {
    if (options_.mount_points.empty()) return false;
    if (S_ISREG(info.st_mode)) return info.st_size == 0 && options_.mount_points.contains(name);
    if (!S_ISDIR(info.st_mode)) return false;
    const auto below = options_.mount_points.lower_bound(name + "/");
    const bool leads_to_one =
        below != options_.mount_points.end() && below->starts_with(name + "/");
    if (!leads_to_one && !options_.mount_points.contains(name)) return false;
    for (const std::string& entry : list_names(fd)) {
        const Fd child = find_child(fd, entry);
        if (child && !was_made_to_mount(child.get(), sys::fstat(child.get()), name + "/" + entry))
            return false;
    }
    return true;
}

void TreeTar::add_whiteout(const std::string& prefix, const std::string& name) {
    archive::Entry entry;
    entry.name = prefix + std::string(whiteout_prefix) + name;
    tar_.add(entry);
}

/// True when the file is there already under another name: then the entry is a link to it.
bool TreeTar::add_as_link(archive::Entry& entry, const struct stat& info) {
    if (S_ISDIR(info.st_mode) || info.st_nlink < 2) return false;
    const auto [first, is_new] = linked_.try_emplace({info.st_dev, info.st_ino}, entry.name);
    if (is_new) return false;
    entry.type = archive::EntryType::hard_link;
    entry.link_target = first->second;
    entry.size = entry.stored_size = 0;
    entry.xattrs.clear();
    return true;
}

void TreeTar::add_entry(int fd, const struct stat& info, const std::string& name, int depth) {
    const auto type = entry_type(info.st_mode);
    if (!type) return;
    if (options_.is_layer && (!find_xattr(fd, "trusted.overlay.redirect").empty() ||
                              !find_xattr(fd, "trusted.overlay.metacopy").empty()))
        throw Error(ErrorKind::unsupported,
                    "{} was moved or changed by an overlayfs with redirect_dir or metacopy on, "
                    "which cannot be made a layer; turn these off in "
                    "/sys/module/overlay/parameters",
                    archive::quoted("/" + name));
    archive::Entry entry = make_entry(fd, info, *type, name);
    if (options_.newest_mtime_s && entry.mtime.seconds >= *options_.newest_mtime_s)
        entry.mtime = {*options_.newest_mtime_s, 0};
    if (add_as_link(entry, info)) {
        tar_.add(entry);
        return;
    }
    Fd content;
    if (*type == archive::EntryType::file && entry.size > 0) content = reopen(fd, O_RDONLY);
    if (content && options_.keep_holes) entry.extents = find_stretches(content.get(), info);
    if (entry.extents.empty()) {
        tar_.add(entry);
        if (content) add_content(content.get(), entry.size);
    } else {
        tar_.add_sparse(entry);
        add_stretches(content.get(), entry);
    }
    if (*type != archive::EntryType::directory) return;
    if (depth > 0 && options_.hidden.contains({info.st_dev, info.st_ino})) return;
    add_children(fd, name.ends_with('/') ? name : name + "/", depth + 1);
}

void TreeTar::add_stretches(int fd, const archive::Entry& entry) {
    for (const archive::Extent& stretch : entry.extents) {
        if (::lseek(fd, static_cast<off_t>(stretch.offset), SEEK_SET) < 0)
            throw_errno(errno, "lseek in {}", archive::quoted(entry.name));
        add_content(fd, stretch.size);
    }
}

void TreeTar::add_content(int fd, std::uint64_t size) {
    while (size > 0) {
        const std::size_t wanted = std::min<std::uint64_t>(size, buffer_.size());
        const std::size_t count = sys::read(fd, std::span(buffer_).first(wanted));
        if (count == 0) std::fill_n(buffer_.begin(), wanted, std::byte{0});
        const auto piece = std::span(buffer_).first(count == 0 ? wanted : count);
        tar_.write(piece);
        size -= piece.size();
    }
}

}  // namespace hull::files
