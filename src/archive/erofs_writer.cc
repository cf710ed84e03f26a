#include "archive/erofs_writer.hh"

#include "archive/erofs_format.hh"
#include "archive/erofs_output.hh"
#include "archive/layer_tree.hh"
#include "base/error.hh"

#include <sys/stat.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <unordered_map>

namespace hull::archive {

namespace {

using erofs::block_bytes;

/// Tails of files up to this size are stored behind their inode; larger ones fill a block.
constexpr std::uint64_t max_inline_tail = 2048;
/// Tails are held in memory until the end: beyond this they fill blocks too.
constexpr std::uint64_t max_inline_memory = 512UL << 20;
constexpr std::uint64_t max_file_bytes = block_bytes << 32;
constexpr std::uint64_t worth_looking_for_holes = 1UL << 20;
constexpr std::size_t max_xattr_bytes = 200UL << 10;

std::uint64_t round_up(std::uint64_t value, std::uint64_t to) { return (value + to - 1) / to * to; }

template <typename T>
std::span<const std::byte> bytes_of(const T& value) {
    return std::as_bytes(std::span(&value, 1));
}

std::uint32_t type_bits(EntryType type) {
    switch (type) {
        case EntryType::directory: return S_IFDIR;
        case EntryType::symlink: return S_IFLNK;
        case EntryType::char_device: return S_IFCHR;
        case EntryType::block_device: return S_IFBLK;
        case EntryType::fifo: return S_IFIFO;
        case EntryType::file:
        case EntryType::hard_link: return S_IFREG;
    }
    return S_IFREG;
}

/// The file_type byte of a dirent.
std::uint8_t dirent_type(std::uint32_t mode) {
    switch (mode & S_IFMT) {
        case S_IFREG: return 1;
        case S_IFDIR: return 2;
        case S_IFCHR: return 3;
        case S_IFBLK: return 4;
        case S_IFIFO: return 5;
        case S_IFSOCK: return 6;
        case S_IFLNK: return 7;
    }
    return 0;
}

const erofs::XattrPrefix* find_xattr_prefix(std::string_view name) {
    for (const erofs::XattrPrefix& prefix : erofs::xattr_prefixes) {
        const bool whole = !prefix.text.ends_with('.');
        if (whole ? name == prefix.text
                  : name.size() > prefix.text.size() && name.starts_with(prefix.text))
            return &prefix;
    }
    return nullptr;
}

std::string encode_xattr(std::string_view name, std::string_view value) {
    const erofs::XattrPrefix* prefix = find_xattr_prefix(name);
    assert(prefix);
    const std::string_view rest = name.substr(prefix->text.size());
    const erofs::DiskXattr header{static_cast<std::uint8_t>(rest.size()), prefix->index,
                                  static_cast<std::uint16_t>(value.size())};
    std::string encoded(reinterpret_cast<const char*>(&header), sizeof header);
    encoded.append(rest).append(value);
    encoded.resize(round_up(encoded.size(), 4));
    return encoded;
}

/// Reads a source in pieces of the size one asks for.
class PieceReader {
public:
    explicit PieceReader(ByteSource& source) : source_(source) {}

    template <typename Consume>
    void read(std::uint64_t count, Consume consume) {
        while (count > 0) {
            if (left_.empty()) left_ = source_.next();
            if (left_.empty())
                throw Error(ErrorKind::invalid_argument, "its data ends {} bytes early", count);
            const auto piece = left_.first(std::min<std::uint64_t>(left_.size(), count));
            left_ = left_.subspan(piece.size());
            count -= piece.size();
            consume(piece);
        }
    }

private:
    ByteSource& source_;
    std::span<const std::byte> left_;
};

/// Lays out the names of one directory in blocks: dirents first, then the names.
class DirectoryPacker {
public:
    struct Name {
        std::string_view text;
        std::uint64_t nid;
        std::uint8_t type;
    };

    /// Calls `emit_block(names, is_last)` for each block's worth of `names`, which are sorted.
    template <typename EmitBlock>
    static void for_each_block(std::span<const Name> names, EmitBlock emit_block) {
        std::size_t begin = 0, used = 0;
        for (std::size_t i = 0; i < names.size(); ++i) {
            const std::size_t needed = sizeof(erofs::DiskDirent) + names[i].text.size();
            if (used + needed > block_bytes) {
                emit_block(names.subspan(begin, i - begin), false, used);
                begin = i;
                used = 0;
            }
            used += needed;
        }
        emit_block(names.subspan(begin), true, used);
    }

    static std::uint64_t size_of(std::span<const Name> names) {
        std::uint64_t size = 0;
        for_each_block(names, [&](auto, bool is_last, std::size_t used) {
            size += is_last ? used : block_bytes;
        });
        return size;
    }

    static std::vector<std::byte> bytes_of(std::span<const Name> names) {
        std::vector<std::byte> bytes;
        for_each_block(names, [&](std::span<const Name> block, bool is_last, std::size_t used) {
            const std::size_t start = bytes.size();
            bytes.resize(start + (is_last ? used : block_bytes));
            std::size_t name_at = block.size() * sizeof(erofs::DiskDirent);
            for (std::size_t i = 0; i < block.size(); ++i) {
                const erofs::DiskDirent dirent{block[i].nid, static_cast<std::uint16_t>(name_at),
                                               block[i].type, 0};
                std::memcpy(bytes.data() + start + i * sizeof dirent, &dirent, sizeof dirent);
                std::memcpy(bytes.data() + start + name_at, block[i].text.data(),
                            block[i].text.size());
                name_at += block[i].text.size();
            }
        });
        return bytes;
    }
};

}  // namespace

struct ErofsWriter::Builder {
    Builder(int fd, ErofsLimits limits, Fd direct)
        : output(fd, std::move(direct)),
          tree(limits),
          opaque_record(encode_xattr(erofs::opaque_xattr, "y")) {
        xattr_lists.emplace_back();
        output.write_zeros(block_bytes);  // the superblock comes last
    }

    void add(const Entry& entry, ByteSource& data);
    void warn(std::string text);
    std::uint32_t keep_xattrs(const Entry& entry);
    void store_content(LayerInode& inode, const Entry& entry, ByteSource& data);
    void store_sparse(const Entry& entry, ByteSource& data);
    ErofsStatistics finish();

    void order_inodes();
    std::vector<DirectoryPacker::Name> names_of(std::uint32_t directory);
    std::uint64_t xattr_bytes(const LayerInode& inode) const;
    void assign_positions();
    void write_overflowing();
    void write_inode(const LayerInode& inode, std::uint32_t serial);
    void write_superblock(std::uint64_t metadata_block);

    ErofsOutput output;
    LayerTree tree;
    const std::string opaque_record;
    std::vector<std::string> xattr_lists;  ///< encoded; [0] is the empty one
    std::unordered_map<std::string, std::uint32_t> xattr_index;
    std::vector<std::string> warnings;
    std::uint64_t entries = 0;
    std::vector<std::uint32_t> order;  ///< inodes as they lie in the metadata area
    std::uint64_t metadata_bytes = 0;
};

void ErofsWriter::Builder::warn(std::string text) {
    if (warnings.size() < 32 && std::find(warnings.begin(), warnings.end(), text) == warnings.end())
        warnings.push_back(std::move(text));
}

std::uint32_t ErofsWriter::Builder::keep_xattrs(const Entry& entry) {
    if (entry.xattrs.empty()) return 0;
    std::string encoded;
    for (const auto& [name, value] : entry.xattrs) {
        // overlayfs would take these from the image as its own orders (redirects to other files).
        if (name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.")) {
            warn(fmt::format("extended attribute {} dropped: it belongs to overlayfs", name));
            continue;
        }
        const erofs::XattrPrefix* prefix = find_xattr_prefix(name);
        if (!prefix) {
            warn(fmt::format("extended attribute {} dropped: EROFS cannot hold it", quoted(name)));
            continue;
        }
        if (name.size() - prefix->text.size() > 255 || value.size() > 65535)
            throw Error(ErrorKind::invalid_argument, "the extended attribute {} is too large",
                        quoted(name));
        encoded += encode_xattr(name, value);
    }
    if (encoded.size() > max_xattr_bytes)
        throw Error(ErrorKind::invalid_argument, "{} bytes of extended attributes are too many",
                    encoded.size());
    if (encoded.empty()) return 0;
    const auto [found, is_new] =
        xattr_index.try_emplace(encoded, static_cast<std::uint32_t>(xattr_lists.size()));
    if (is_new) {
        tree.arena().count(2 * encoded.size());
        xattr_lists.push_back(std::move(encoded));
    }
    return found->second;
}

std::uint64_t ErofsWriter::Builder::xattr_bytes(const LayerInode& inode) const {
    const std::size_t list =
        xattr_lists[inode.xattrs].size() + (inode.opaque ? opaque_record.size() : 0);
    return list ? erofs::xattr_header_bytes + list : 0;
}

void ErofsWriter::Builder::store_content(LayerInode& inode, const Entry& entry, ByteSource& data) {
    inode.size = entry.size;
    if (entry.size == 0) return;
    if (entry.size > max_file_bytes || output.position() + entry.size > max_file_bytes)
        throw Error(ErrorKind::invalid_argument,
                    "its size of {} bytes is more than an EROFS image can hold", entry.size);
    inode.block = static_cast<std::uint32_t>(output.position() / block_bytes);
    if (entry.sparse) {
        store_sparse(entry, data);
    } else {
        PieceReader reader(data);
        const std::uint64_t tail = entry.size % block_bytes;
        const bool is_inline = tail > 0 && tail <= max_inline_tail &&
                               erofs::inode_bytes + xattr_bytes(inode) + tail <= block_bytes &&
                               tree.arena().used() < max_inline_memory;
        const bool may_have_holes = entry.size >= worth_looking_for_holes;
        reader.read(entry.size - (is_inline ? tail : 0), [&](std::span<const std::byte> piece) {
            if (may_have_holes)
                output.write_sparse(piece);
            else
                output.write(piece);
        });
        if (is_inline) {
            const std::span<std::byte> kept = tree.arena().allocate(tail);
            inode.tail = kept;
            std::size_t at = 0;
            reader.read(tail, [&](std::span<const std::byte> piece) {
                std::memcpy(kept.data() + at, piece.data(), piece.size());
                at += piece.size();
            });
        }
    }
    output.align(block_bytes);
}

void ErofsWriter::Builder::store_sparse(const Entry& entry, ByteSource& data) {
    PieceReader reader(data);
    std::uint64_t at = 0;
    for (const Extent& extent : entry.extents) {
        output.skip(extent.offset - at);
        reader.read(extent.size, [&](std::span<const std::byte> piece) { output.write(piece); });
        at = extent.offset + extent.size;
    }
    output.skip(entry.size - at);
}

void ErofsWriter::Builder::add(const Entry& entry, ByteSource& data) {
    ++entries;
    const bool may_be_marker = entry.name.find(".wh.") != std::string::npos;
    if (may_be_marker) {
        // AUFS keeps its own books under .wh..wh.*; only the opaque marker means something here.
        const std::size_t book = entry.name.find(".wh..wh.");
        if (book != std::string::npos && (book == 0 || entry.name[book - 1] == '/') &&
            std::string_view(entry.name).substr(book) != ".wh..wh..opq") {
            warn("AUFS bookkeeping (.wh..wh.*) left out");
            return;
        }
    }
    const LayerTree::Place place = tree.resolve(entry.name, entry.mtime);
    if (may_be_marker && place.name.starts_with(".wh.")) {
        const std::string_view hidden = place.name.substr(4);
        if (hidden == ".wh..opq") {
            tree.inode(place.parent).opaque = true;
            return;
        }
        if (hidden.empty() || hidden == "." || hidden == "..")
            throw Error(ErrorKind::invalid_argument, "a whiteout of no name");
        return tree.add_whiteout({place.parent, hidden}, entry.mtime);
    }
    if (entry.type == EntryType::hard_link)
        return tree.add_hard_link(place, entry.link_target, entry.name);

    LayerInode inode;
    inode.mode = type_bits(entry.type) | (entry.mode & 07777);
    inode.uid = entry.uid;
    inode.gid = entry.gid;
    inode.mtime = entry.mtime;
    inode.xattrs = keep_xattrs(entry);
    switch (entry.type) {
        case EntryType::file: store_content(inode, entry, data); break;
        case EntryType::symlink:
            if (entry.link_target.size() >= block_bytes)
                throw Error(ErrorKind::invalid_argument, "a symlink target of {} bytes",
                            entry.link_target.size());
            if (entry.link_target.find('\0') != std::string::npos)
                throw Error(ErrorKind::invalid_argument, "a symlink target with a NUL byte");
            inode.tail = std::as_bytes(std::span(tree.arena().keep(entry.link_target)));
            inode.size = inode.tail.size();
            break;
        case EntryType::char_device:
        case EntryType::block_device:
            if (entry.device_major > 0xfff || entry.device_minor > 0xfffff)
                throw Error(ErrorKind::invalid_argument, "the device number {}:{} is too large",
                            entry.device_major, entry.device_minor);
            inode.device = erofs::encode_device(entry.device_major, entry.device_minor);
            break;
        default: break;
    }
    tree.put(place, std::move(inode));
}

std::vector<DirectoryPacker::Name> ErofsWriter::Builder::names_of(std::uint32_t directory) {
    const LayerInode& self = tree.inode(directory);
    const auto nid = [&](std::uint32_t index) {
        return tree.inode(index).position / erofs::slot_bytes;
    };
    std::vector<DirectoryPacker::Name> names{{".", nid(directory), 2}, {"..", nid(self.parent), 2}};
    for (const std::uint32_t child : self.children) {
        const LayerName& name = tree.name(child);
        names.push_back({name.name, nid(name.inode), dirent_type(tree.inode(name.inode).mode)});
    }
    // `.` and `..` sort among the others: "!" or "-x" come before them.
    std::inplace_merge(names.begin(), names.begin() + 2, names.end(),
                       [](const auto& left, const auto& right) { return left.text < right.text; });
    return names;
}

/// A directory's inodes lie together, behind the directory: a listing with stat reads few blocks.
/// From here on `children` holds the live names, sorted.
void ErofsWriter::Builder::order_inodes() {
    std::vector<bool> placed(tree.inode_count());
    std::vector<std::uint32_t> to_visit{LayerTree::root};
    order.push_back(LayerTree::root);
    while (!to_visit.empty()) {
        const std::uint32_t index = to_visit.back();
        to_visit.pop_back();
        std::vector<std::uint32_t> children = tree.sorted_children(index);
        std::uint32_t directories = 0;
        for (const std::uint32_t child : children) {
            const std::uint32_t inode = tree.name(child).inode;
            if (placed[inode]) continue;
            placed[inode] = true;
            order.push_back(inode);
            if (S_ISDIR(tree.inode(inode).mode)) {
                ++directories;
                to_visit.push_back(inode);
            }
        }
        LayerInode& directory = tree.inode(index);
        directory.link_count = 2 + directories;
        directory.children = std::move(children);
    }
}

void ErofsWriter::Builder::assign_positions() {
    std::uint64_t position = erofs::slot_bytes;  // slot 0 stays free: inode number 0 confuses libc
    for (const std::uint32_t index : order) {
        LayerInode& inode = tree.inode(index);
        if (S_ISDIR(inode.mode)) inode.size = DirectoryPacker::size_of(names_of(index));
        const std::uint64_t fixed = erofs::inode_bytes + xattr_bytes(inode);
        std::uint64_t tail = inode.tail.size();
        if (S_ISDIR(inode.mode)) tail = inode.size % block_bytes;
        if (fixed + tail > block_bytes) tail = 0;  // write_overflowing stores it
        position = round_up(position, erofs::slot_bytes);
        const std::uint64_t in_one_block = tail ? fixed + tail : erofs::inode_bytes;
        if (position % block_bytes + in_one_block > block_bytes)
            position = round_up(position, block_bytes);
        inode.position = position;
        position += fixed + tail;
    }
    metadata_bytes = round_up(position, block_bytes);
}

/// Stores directories' whole blocks, and the tails of directories and symlinks that do not fit
/// behind their inode. From here on `tail` is what does.
void ErofsWriter::Builder::write_overflowing() {
    for (const std::uint32_t index : order) {
        LayerInode& inode = tree.inode(index);
        const bool is_directory = S_ISDIR(inode.mode);
        if (!is_directory && !S_ISLNK(inode.mode)) continue;
        std::vector<std::byte> made;
        if (is_directory) made = DirectoryPacker::bytes_of(names_of(index));
        const std::span<const std::byte> all = is_directory ? made : inode.tail;
        std::uint64_t tail = all.size() % block_bytes;
        if (erofs::inode_bytes + xattr_bytes(inode) + tail > block_bytes) tail = 0;
        if (all.size() > tail) {
            inode.block = static_cast<std::uint32_t>(output.position() / block_bytes);
            output.write(all.first(all.size() - tail));
            output.align(block_bytes);
        }
        if (is_directory && tail > 0) {
            const std::span<std::byte> kept = tree.arena().allocate(tail);
            std::memcpy(kept.data(), all.data() + (all.size() - tail), tail);
            inode.tail = kept;
        } else {
            inode.tail = all.last(tail);
        }
    }
}

void ErofsWriter::Builder::write_inode(const LayerInode& inode, std::uint32_t serial) {
    const std::uint32_t layout = inode.tail.empty() ? erofs::layout_plain : erofs::layout_inline;
    const std::uint64_t xattrs = xattr_bytes(inode);
    erofs::DiskInode disk{};
    disk.format = static_cast<std::uint16_t>(1 | layout << 1);
    if (xattrs)
        disk.xattr_count = static_cast<std::uint16_t>((xattrs - erofs::xattr_header_bytes) / 4 + 1);
    disk.mode = static_cast<std::uint16_t>(inode.mode);
    disk.size = inode.size;
    const bool is_device = S_ISCHR(inode.mode) || S_ISBLK(inode.mode);
    disk.address = is_device ? inode.device : inode.block;
    disk.serial = serial;
    disk.uid = inode.uid;
    disk.gid = inode.gid;
    disk.mtime = inode.mtime.seconds;
    disk.mtime_ns = inode.mtime.nanoseconds;
    disk.link_count = inode.link_count;
    output.write(bytes_of(disk));
    if (xattrs) {
        static constexpr std::byte header[erofs::xattr_header_bytes] = {};
        output.write(header);
        output.write(std::as_bytes(std::span(xattr_lists[inode.xattrs])));
        if (inode.opaque) output.write(std::as_bytes(std::span(opaque_record)));
    }
    output.write(inode.tail);
}

void ErofsWriter::Builder::write_superblock(std::uint64_t metadata_block) {
    erofs::SuperBlock super{};
    super.magic_number = erofs::magic;
    super.feature_compat = erofs::feature_checksum;
    super.block_bits = 12;
    super.root_nid =
        static_cast<std::uint16_t>(tree.inode(LayerTree::root).position / erofs::slot_bytes);
    super.inodes = order.size();
    super.blocks = static_cast<std::uint32_t>(output.position() / block_bytes);
    super.metadata_block = static_cast<std::uint32_t>(metadata_block);
    std::byte block[block_bytes] = {};
    std::memcpy(block + erofs::super_offset, &super, sizeof super);
    super.checksum = erofs::crc32c(block + erofs::super_offset, block_bytes - erofs::super_offset);
    std::memcpy(block + erofs::super_offset, &super, sizeof super);
    output.overwrite(0, block);
}

ErofsStatistics ErofsWriter::Builder::finish() {
    if (const auto unresolved = tree.settle_links(); !unresolved.empty())
        throw Error(ErrorKind::invalid_argument,
                    "entry {}: a hard link to {}, which is not in this layer",
                    quoted(unresolved[0].name), quoted(unresolved[0].target));
    order_inodes();
    assign_positions();
    write_overflowing();
    const std::uint64_t metadata_begin = output.position();
    if (metadata_begin + metadata_bytes > max_file_bytes)
        throw Error(ErrorKind::invalid_argument, "the layer is larger than 16 TiB");
    ErofsStatistics statistics;
    std::uint32_t serial = 0;
    for (const std::uint32_t index : order) {
        const LayerInode& inode = tree.inode(index);
        output.write_zeros(metadata_begin + inode.position - output.position());
        write_inode(inode, ++serial);
        if (S_ISREG(inode.mode)) statistics.content_bytes += inode.size;
    }
    output.align(block_bytes);
    write_superblock(metadata_begin / block_bytes);
    output.finish();
    statistics.entries = entries;
    statistics.inodes = order.size();
    statistics.image_bytes = output.position();
    return statistics;
}

ErofsWriter::ErofsWriter(int fd, ErofsLimits limits, Fd direct)
    : builder_(std::make_unique<Builder>(fd, limits, std::move(direct))) {}

ErofsWriter::~ErofsWriter() = default;

void ErofsWriter::add(const Entry& entry, ByteSource& data) {
    try {
        builder_->add(entry, data);
    } catch (Error& error) {
        if (error.message().find(quoted(entry.name)) == std::string::npos)
            error.add_context(fmt::format("entry {}", quoted(entry.name)));
        throw;
    }
}

void ErofsWriter::add_all(TarReader& tar) {
    while (const Entry* entry = tar.next_entry()) add(*entry, tar);
}

std::vector<UnresolvedLink> ErofsWriter::unresolved_links() const {
    return builder_->tree.settle_links();
}

void ErofsWriter::resolve_link(const UnresolvedLink& link, const Entry& like, ByteSource& data) {
    Entry entry = like;
    entry.name = link.name;
    add(entry, data);
}

const std::vector<std::string>& ErofsWriter::warnings() const { return builder_->warnings; }

ErofsStatistics ErofsWriter::finish() { return builder_->finish(); }

}  // namespace hull::archive
