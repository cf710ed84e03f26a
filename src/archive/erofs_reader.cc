#include "archive/erofs_reader.hh"

#include "archive/erofs_format.hh"
#include "base/error.hh"
#include "base/sys.hh"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unordered_set>

namespace hull::archive {

namespace {

using erofs::block_bytes;

constexpr std::size_t max_depth = 2048;

template <typename... Args>
[[noreturn]] void corrupt(fmt::format_string<Args...> text, Args&&... args) {
    throw Error(ErrorKind::data_loss, "corrupt EROFS image: {}",
                fmt::format(text, std::forward<Args>(args)...));
}

template <typename T>
std::span<std::byte> bytes_of(T& value) {
    return std::as_writable_bytes(std::span(&value, 1));
}

bool has_blocks(std::uint32_t mode) { return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode); }

const erofs::XattrPrefix* find_prefix(std::uint8_t index) {
    for (const erofs::XattrPrefix& prefix : erofs::xattr_prefixes)
        if (prefix.index == index) return &prefix;
    return nullptr;
}

}  // namespace

bool ErofsInode::is_whiteout() const {
    return S_ISCHR(mode) && device_major == 0 && device_minor == 0;
}

ErofsReader::ErofsReader(int fd) : fd_(fd) {
    image_size_ = static_cast<std::uint64_t>(sys::fstat(fd).st_size);
    erofs::SuperBlock super{};
    read_at(erofs::super_offset, bytes_of(super));
    if (super.magic_number != erofs::magic) corrupt("no superblock");
    if (super.block_bits != 12 || super.feature_incompat != 0)
        corrupt("features that Hull does not write");
    metadata_offset_ = super.metadata_block * block_bytes;
    root_nid_ = super.root_nid;
    if (!S_ISDIR(root().mode)) corrupt("the root is not a directory");
}

void ErofsReader::check_range(std::uint64_t offset, std::uint64_t size,
                              std::string_view what) const {
    if (offset > image_size_ || size > image_size_ - offset)
        corrupt("{} lies beyond the end of the image", what);
}

void ErofsReader::read_at(std::uint64_t offset, std::span<std::byte> into) const {
    check_range(offset, into.size(), "a structure");
    while (!into.empty()) {
        const ssize_t count = ::pread(fd_, into.data(), into.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw_errno(errno, "reading an EROFS image");
        if (count == 0) corrupt("it became shorter");
        into = into.subspan(static_cast<std::size_t>(count));
        offset += static_cast<std::uint64_t>(count);
    }
}

ErofsInode ErofsReader::root() const { return inode(root_nid_); }

ErofsInode ErofsReader::inode(std::uint64_t nid) const {
    if (nid > image_size_ / erofs::slot_bytes) corrupt("inode {} is beyond the image", nid);
    const std::uint64_t offset = metadata_offset_ + nid * erofs::slot_bytes;
    erofs::DiskInode disk{};
    read_at(offset, bytes_of(disk));
    ErofsInode inode;
    inode.layout = disk.format >> 1;
    if ((disk.format & 1) == 0 ||
        (inode.layout != erofs::layout_plain && inode.layout != erofs::layout_inline))
        corrupt("inode {} has a form that Hull does not write", nid);
    inode.nid = nid;
    inode.mode = disk.mode;
    inode.uid = disk.uid;
    inode.gid = disk.gid;
    inode.link_count = disk.link_count;
    inode.size = disk.size;
    inode.mtime = {disk.mtime, disk.mtime_ns};
    if (disk.mtime_ns >= 1'000'000'000) corrupt("inode {} has no valid time", nid);
    inode.xattr_offset = offset + erofs::inode_bytes;
    if (disk.xattr_count)
        inode.xattr_size =
            static_cast<std::uint32_t>(erofs::xattr_header_bytes + 4 * (disk.xattr_count - 1));
    inode.inline_offset = inode.xattr_offset + inode.xattr_size;
    check_range(inode.xattr_offset, inode.xattr_size, "an attribute list");
    switch (inode.mode & S_IFMT) {
        case S_IFREG:
        case S_IFDIR:
        case S_IFLNK: inode.block_address = disk.address; break;
        case S_IFCHR:
        case S_IFBLK:
            inode.device_major = erofs::device_major(disk.address);
            inode.device_minor = erofs::device_minor(disk.address);
            break;
        case S_IFIFO:
        case S_IFSOCK: break;
        default: corrupt("inode {} has no file type", nid);
    }
    if (!has_blocks(inode.mode)) {
        inode.size = 0;
        return inode;
    }
    const std::uint64_t tail = inode.layout == erofs::layout_inline ? inode.size % block_bytes : 0;
    check_range(inode.block_address * block_bytes, inode.size - tail, "data");
    check_range(inode.inline_offset, tail, "inline data");
    return inode;
}

std::size_t ErofsReader::read(const ErofsInode& file, std::uint64_t offset,
                              std::span<std::byte> into) const {
    if (offset >= file.size) return 0;
    into = into.first(std::min<std::uint64_t>(into.size(), file.size - offset));
    const std::uint64_t tail = file.layout == erofs::layout_inline ? file.size % block_bytes : 0;
    const std::uint64_t in_blocks = file.size - tail;
    const std::size_t from_blocks =
        offset < in_blocks ? std::min<std::uint64_t>(into.size(), in_blocks - offset) : 0;
    read_at(file.block_address * block_bytes + offset, into.first(from_blocks));
    if (from_blocks < into.size())
        read_at(file.inline_offset + (offset + from_blocks - in_blocks), into.subspan(from_blocks));
    return into.size();
}

std::uint64_t ErofsReader::next_data(const ErofsInode& file, std::uint64_t offset) const {
    const std::uint64_t tail = file.layout == erofs::layout_inline ? file.size % block_bytes : 0;
    const std::uint64_t in_blocks = file.size - tail;
    if (offset >= in_blocks) return offset;
    const std::uint64_t start = file.block_address * block_bytes;
    const off_t found = ::lseek(fd_, static_cast<off_t>(start + offset), SEEK_DATA);
    if (found < 0) return errno == ENXIO ? in_blocks : offset;
    return std::clamp<std::uint64_t>(static_cast<std::uint64_t>(found) - start, offset, in_blocks);
}

void ErofsReader::list_block(std::span<const std::byte> block,
                             std::vector<ErofsDirent>& into) const {
    constexpr std::size_t dirent_bytes = sizeof(erofs::DiskDirent);
    const auto dirent_at = [&](std::size_t index) {
        erofs::DiskDirent dirent{};
        std::memcpy(&dirent, block.data() + index * dirent_bytes, dirent_bytes);
        return dirent;
    };
    if (block.size() < dirent_bytes) corrupt("a directory block is too short");
    const std::size_t names_begin = dirent_at(0).name_offset;
    if (names_begin == 0 || names_begin % dirent_bytes != 0 || names_begin > block.size())
        corrupt("a directory block is malformed");
    const std::size_t count = names_begin / dirent_bytes;
    for (std::size_t i = 0; i < count; ++i) {
        const erofs::DiskDirent dirent = dirent_at(i);
        const std::size_t begin = dirent.name_offset;
        const std::size_t end = i + 1 < count ? dirent_at(i + 1).name_offset : block.size();
        if (begin < names_begin || begin >= end || end > block.size())
            corrupt("a directory block is malformed");
        std::string name(reinterpret_cast<const char*>(block.data()) + begin, end - begin);
        if (i + 1 == count) name.resize(::strnlen(name.data(), name.size()));
        if (name == "." || name == "..") continue;
        if (name.empty() || name.size() > erofs::max_name_bytes ||
            name.find('/') != std::string::npos || name.find('\0') != std::string::npos)
            corrupt("a name that no file can have");
        if (!into.empty() && into.back().name >= name) corrupt("names of a directory out of order");
        into.push_back({std::move(name), dirent.nid});
    }
}

std::vector<ErofsDirent> ErofsReader::list(const ErofsInode& directory) const {
    if (!S_ISDIR(directory.mode)) corrupt("inode {} is not a directory", directory.nid);
    std::vector<ErofsDirent> result;
    std::byte block[block_bytes];
    for (std::uint64_t offset = 0; offset < directory.size; offset += block_bytes)
        list_block(std::span(block).first(read(directory, offset, block)), result);
    return result;
}

std::map<std::string, std::string> ErofsReader::xattrs(const ErofsInode& inode) const {
    std::map<std::string, std::string> result;
    if (inode.xattr_size == 0) return result;
    std::vector<std::byte> list(inode.xattr_size);
    read_at(inode.xattr_offset, list);
    if (list[4] != std::byte{0}) corrupt("shared attributes, which Hull does not write");
    for (std::size_t at = erofs::xattr_header_bytes; at < list.size();) {
        erofs::DiskXattr entry{};
        if (list.size() - at < sizeof entry) corrupt("an attribute list is malformed");
        std::memcpy(&entry, list.data() + at, sizeof entry);
        at += sizeof entry;
        const std::size_t size = std::size_t{entry.name_size} + entry.value_size;
        const erofs::XattrPrefix* prefix = find_prefix(entry.name_index);
        if (!prefix || size > list.size() - at) corrupt("an attribute list is malformed");
        const char* text = reinterpret_cast<const char*>(list.data()) + at;
        std::string name(prefix->text);
        name.append(text, entry.name_size);
        if (name.find('\0') != std::string::npos) corrupt("an attribute's name holds a NUL byte");
        result.emplace(std::move(name), std::string(text + entry.name_size, entry.value_size));
        at += (size + 3) / 4 * 4;
    }
    return result;
}

std::string ErofsReader::read_link(const ErofsInode& symlink) const {
    if (!S_ISLNK(symlink.mode) || symlink.size == 0 || symlink.size >= block_bytes)
        corrupt("inode {} is no symlink", symlink.nid);
    std::string target(symlink.size, '\0');
    read(symlink, 0, std::as_writable_bytes(std::span(target)));
    if (target.find('\0') != std::string::npos) corrupt("a symlink's target holds a NUL byte");
    return target;
}

std::optional<ErofsInode> ErofsReader::find(std::string_view path) const {
    ErofsInode at = root();
    while (!path.empty()) {
        const std::size_t slash = std::min(path.find('/'), path.size());
        const std::string_view part = path.substr(0, slash);
        path.remove_prefix(std::min(slash + 1, path.size()));
        if (!S_ISDIR(at.mode)) return std::nullopt;
        const std::vector<ErofsDirent> names = list(at);
        const auto found = std::lower_bound(names.begin(), names.end(), part,
                                            [](const ErofsDirent& dirent, std::string_view wanted) {
            return dirent.name < wanted;
        });
        if (found == names.end() || found->name != part) return std::nullopt;
        at = inode(found->nid);
    }
    return at;
}

void ErofsReader::walk(
    const std::function<void(const std::string& path, const ErofsInode&)>& visit) const {
    struct Level {
        std::vector<ErofsDirent> names;
        std::size_t next = 0;
        std::size_t path_size = 0;
    };
    std::unordered_set<std::uint64_t> directories{root_nid_};
    std::string path;
    const ErofsInode top = root();
    visit(path, top);
    std::vector<Level> levels;
    levels.push_back({list(top), 0, 0});
    while (!levels.empty()) {
        Level& level = levels.back();
        if (level.next == level.names.size()) {
            levels.pop_back();
            continue;
        }
        const ErofsDirent& dirent = level.names[level.next++];
        path.resize(level.path_size);
        if (!path.empty()) path += '/';
        path += dirent.name;
        const ErofsInode child = inode(dirent.nid);
        visit(path, child);
        if (!S_ISDIR(child.mode)) continue;
        if (!directories.insert(child.nid).second) corrupt("a directory with two names");
        if (levels.size() > max_depth) corrupt("directories nested too deep");
        levels.push_back({list(child), 0, path.size()});
    }
}

}  // namespace hull::archive
