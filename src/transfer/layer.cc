#include "transfer/layer.hh"

#include "archive/erofs_reader.hh"
#include "archive/tar_fields.hh"
#include "base/sys.hh"
#include "transfer/background_hash.hh"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <optional>

namespace hull::transfer {

namespace {

constexpr std::uint64_t room_interval_bytes = 64 << 20, room_reserve_bytes = 32 << 20;
constexpr std::size_t peek_bytes = archive::tar::block_bytes;

/// The bytes of a file in an image.
class ErofsFileSource final : public archive::ByteSource {
public:
    ErofsFileSource(const archive::ErofsReader& image, const archive::ErofsInode& file)
        : image_(image), file_(file), buffer_(256UL << 10) {}
    std::span<const std::byte> next() override {
        const std::size_t count = image_.read(file_, offset_, buffer_);
        offset_ += count;
        return std::span(buffer_).first(count);
    }

private:
    const archive::ErofsReader& image_;
    const archive::ErofsInode& file_;
    std::vector<std::byte> buffer_;
    std::uint64_t offset_ = 0;
};

archive::EntryType type_of(std::uint32_t mode) {
    switch (mode & S_IFMT) {
        case S_IFLNK: return archive::EntryType::symlink;
        case S_IFCHR: return archive::EntryType::char_device;
        case S_IFBLK: return archive::EntryType::block_device;
        case S_IFIFO: return archive::EntryType::fifo;
        default: return archive::EntryType::file;
    }
}

/// True when the layer hides what lower layers have at `path`: a whiteout, an opaque directory or
/// a non-directory on the way.
bool hides(const archive::ErofsReader& image, const std::string& path) {
    for (std::size_t slash = 0; slash != std::string::npos;) {
        slash = path.find('/', slash + 1);
        const auto inode = image.find(std::string_view(path).substr(0, slash));
        if (!inode) return false;
        if (slash == std::string::npos) return true;
        if (!S_ISDIR(inode->mode)) return true;
        if (image.xattrs(*inode).contains("trusted.overlay.opaque")) return true;
    }
    return false;
}

/// Copies the link's target up from the nearest lower layer that has it.
bool copy_up(archive::ErofsWriter& writer, const archive::UnresolvedLink& link,
             const Staging& staging, std::span<const std::string> lower_files) {
    for (const std::string& file : lower_files) {
        const Fd fd = staging.open(file);
        const archive::ErofsReader image(fd.get());
        const auto inode = image.find(link.target);
        if (!inode) {
            if (hides(image, link.target)) return false;
            continue;
        }
        if (inode->is_whiteout() || S_ISDIR(inode->mode)) return false;
        archive::Entry entry;
        entry.type = type_of(inode->mode);
        entry.mode = inode->mode & 07777;
        entry.uid = inode->uid;
        entry.gid = inode->gid;
        entry.mtime = inode->mtime;
        entry.size = entry.stored_size = S_ISREG(inode->mode) ? inode->size : 0;
        entry.device_major = inode->device_major;
        entry.device_minor = inode->device_minor;
        entry.xattrs = image.xattrs(*inode);
        if (S_ISLNK(inode->mode)) entry.link_target = image.read_link(*inode);
        ErofsFileSource content(image, *inode);
        writer.resolve_link(link, entry, content);
        return true;
    }
    return false;
}

/// Before a small archive has become all of the disk.
void check_room(const Staging& staging, std::uint64_t size, std::size_t added,
                std::uint64_t max_bytes) {
    if (size > max_bytes)
        throw Error(ErrorKind::invalid_argument, "it unpacks to more than the {} bytes allowed",
                    max_bytes);
    if (size / room_interval_bytes == (size - added) / room_interval_bytes) return;
    if (const std::uint64_t left = staging.free_bytes(); left < room_reserve_bytes)
        throw Error(ErrorKind::internal, "after {} bytes of it only {} are free", size, left)
            .with_errno(ENOSPC);
}

}  // namespace

NeedsLowerLayers::NeedsLowerLayers(const archive::UnresolvedLink& link)
    : Error(ErrorKind::invalid_argument,
            "entry {}: a hard link to {}, which neither this layer nor those below have",
            archive::quoted(link.name), archive::quoted(link.target)) {}

bool looks_like_layer(std::span<const std::byte> head) {
    const auto compression = archive::detect_compression(head);
    if (compression == archive::Compression::gzip || compression == archive::Compression::zstd)
        return true;
    if (head.size() < peek_bytes) return false;
    return archive::tar::checksum_fits(head.data()) ||
           std::all_of(head.begin(), head.begin() + peek_bytes,
                       [](std::byte byte) { return byte == std::byte{0}; });
}

std::vector<std::byte> peek(archive::ByteSource& source) {
    std::vector<std::byte> head;
    while (head.size() < peek_bytes) {
        const auto chunk = source.next();
        if (chunk.empty()) break;
        head.insert(head.end(), chunk.begin(), chunk.end());
    }
    return head;
}

ConvertedLayer convert_layer(Staging& staging, archive::ByteSource& source,
                             std::span<const std::string> lower_files, Hashing hashing,
                             std::uint64_t max_bytes) {
    ConvertedLayer layer;
    Staging::File file = staging.make("layer-", ".erofs");
    layer.file = file.name;
    try {
        archive::Decompressor plain(source);
        layer.compression = plain.compression();
        const bool hashes =
            hashing == Hashing::always || layer.compression != archive::Compression::none;
        BackgroundHash hash;
        archive::TeeSource hashed(plain, [&](std::span<const std::byte> chunk) {
            if (hashes) hash.update(chunk);
            layer.size += chunk.size();
            check_room(staging, layer.size, chunk.size(), max_bytes);
        });
        archive::TarReader tar(hashed);
        archive::ErofsWriter writer(file.fd.get(), {}, staging.open_direct(file.name));
        writer.add_all(tar);
        if (hashes) layer.diff_id = oci::Digest::from_hex(hash.hex());
        for (const archive::UnresolvedLink& link : writer.unresolved_links())
            if (!copy_up(writer, link, staging, lower_files)) throw NeedsLowerLayers(link);
        layer.statistics = writer.finish();
        layer.warnings = writer.warnings();
        layer.end_marker_seen = tar.end_marker_seen();
    } catch (...) {
        staging.remove(file.name);
        throw;
    }
    return layer;
}

}  // namespace hull::transfer
