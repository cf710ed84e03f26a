#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

/// The files of log driver `local`: DIRECTORY/SEQUENCE.log, each a row of records
///     u32 length · u64 realtime ns · u8 stream · u8 flags · bytes · u32 length
/// in the byte order of the machine. A record is what one read of the container's pipe gave, so
/// lines may span records. The length behind it lets a reader go backwards.
namespace hull::shim {

inline constexpr std::size_t record_header_bytes = 14;
inline constexpr std::size_t record_trailer_bytes = 4;
inline constexpr std::size_t max_record_bytes = 1 << 20;
inline constexpr std::uint8_t record_is_partial = 1;  ///< flag: the last line goes on

struct RecordHeader {
    std::uint32_t length = 0;
    std::uint64_t time_ns = 0;
    std::uint8_t stream = 0, flags = 0;
};

inline std::array<char, record_header_bytes> encode(const RecordHeader& header) {
    std::array<char, record_header_bytes> bytes;
    std::memcpy(bytes.data(), &header.length, 4);
    std::memcpy(bytes.data() + 4, &header.time_ns, 8);
    bytes[12] = static_cast<char>(header.stream);
    bytes[13] = static_cast<char>(header.flags);
    return bytes;
}

/// nullopt: no record begins here (torn, or zeroes after a power loss).
inline std::optional<RecordHeader> decode_record_header(std::string_view bytes) {
    if (bytes.size() < record_header_bytes) return std::nullopt;
    RecordHeader header;
    std::memcpy(&header.length, bytes.data(), 4);
    std::memcpy(&header.time_ns, bytes.data() + 4, 8);
    header.stream = static_cast<std::uint8_t>(bytes[12]);
    header.flags = static_cast<std::uint8_t>(bytes[13]);
    const bool is_valid = header.length > 0 && header.length <= max_record_bytes &&
                          (header.stream == 1 || header.stream == 2);
    return is_valid ? std::optional(header) : std::nullopt;
}

/// The number in "17.log"; nullopt for other names.
inline std::optional<std::uint64_t> parse_segment_name(std::string_view name) {
    if (!name.ends_with(".log") || name.size() < 5 || name.size() > 22) return std::nullopt;
    std::uint64_t sequence = 0;
    for (const char digit : name.substr(0, name.size() - 4)) {
        if (digit < '0' || digit > '9') return std::nullopt;
        sequence = sequence * 10 + static_cast<std::uint64_t>(digit - '0');
    }
    return sequence;
}

}  // namespace hull::shim
