#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

/// The on-disk structures of EROFS that we write: uncompressed, 4 KB blocks, extended inodes.
/// Little-endian, as this machine. Source: Linux Documentation/filesystems/erofs.rst.
namespace hull::archive::erofs {

inline constexpr std::uint64_t block_bytes = 4096;
inline constexpr std::uint64_t slot_bytes = 32;  ///< an inode's number counts these
inline constexpr std::uint64_t inode_bytes = 64;
inline constexpr std::uint64_t super_offset = 1024;
inline constexpr std::uint32_t magic = 0xE0F5E1E2;
inline constexpr std::uint32_t feature_checksum = 1;
inline constexpr std::uint32_t layout_plain = 0, layout_inline = 2;
inline constexpr std::size_t max_name_bytes = 255;

struct SuperBlock {
    std::uint32_t magic_number;
    std::uint32_t checksum;
    std::uint32_t feature_compat;
    std::uint8_t block_bits;
    std::uint8_t extra_slots;
    std::uint16_t root_nid;
    std::uint64_t inodes;
    std::uint64_t build_time;
    std::uint32_t build_time_ns;
    std::uint32_t blocks;
    std::uint32_t metadata_block;
    std::uint32_t shared_xattr_block;
    std::uint8_t uuid[16];
    std::uint8_t volume_name[16];
    std::uint32_t feature_incompat;
    std::uint8_t unused[44];
};
static_assert(sizeof(SuperBlock) == 128);

struct DiskInode {
    std::uint16_t format;  ///< bit 0: extended, bits 1-3: layout
    std::uint16_t xattr_count;
    std::uint16_t mode;
    std::uint16_t reserved;
    std::uint64_t size;
    std::uint32_t address;  ///< first block, or the device number
    std::uint32_t serial;
    std::uint32_t uid;
    std::uint32_t gid;
    std::int64_t mtime;
    std::uint32_t mtime_ns;
    std::uint32_t link_count;
    std::uint8_t unused[16];
};
static_assert(sizeof(DiskInode) == inode_bytes);

struct DiskDirent {
    std::uint64_t nid;
    std::uint16_t name_offset;
    std::uint8_t file_type;
    std::uint8_t reserved;
} __attribute__((packed));
static_assert(sizeof(DiskDirent) == 12);

inline constexpr std::size_t xattr_header_bytes = 12;
struct DiskXattr {
    std::uint8_t name_size;
    std::uint8_t name_index;
    std::uint16_t value_size;
};
static_assert(sizeof(DiskXattr) == 4);

struct XattrPrefix {
    std::uint8_t index;
    std::string_view text;
};
inline constexpr XattrPrefix xattr_prefixes[] = {
    {1, "user."},
    {2, "system.posix_acl_access"},
    {3, "system.posix_acl_default"},
    {4, "trusted."},
    {6, "security."},
};

inline constexpr std::string_view opaque_xattr = "trusted.overlay.opaque";

/// CRC-32C as the kernel's crc32c(~0, …): no final inversion.
inline std::uint32_t crc32c(const std::byte* bytes, std::size_t size) {
    std::uint32_t crc = ~std::uint32_t{0};
    for (std::size_t i = 0; i < size; ++i) {
        crc ^= static_cast<std::uint32_t>(bytes[i]);
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78U : 0);
    }
    return crc;
}

/// The kernel's new_encode_dev.
inline std::uint32_t encode_device(std::uint32_t major, std::uint32_t minor) {
    return (minor & 0xff) | major << 8 | (minor & ~0xffU) << 12;
}
inline std::uint32_t device_major(std::uint32_t device) { return device >> 8 & 0xfff; }
inline std::uint32_t device_minor(std::uint32_t device) {
    return (device & 0xff) | (device >> 12 & 0xfff00);
}

}  // namespace hull::archive::erofs
