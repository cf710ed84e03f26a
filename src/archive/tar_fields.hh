#pragma once
#include "archive/tar_entry.hh"
#include "archive/tar_reader.hh"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

/// The fields of a 512-byte tar header and of pax records. All parsers throw invalid_argument with
/// the field's name and no entry. Source: POSIX.1-2017 pax(1), GNU tar manual "Basic Tar Format".
namespace hull::archive::tar {

inline constexpr std::uint64_t block_bytes = 512;

/// Header sums exist in an unsigned and, from old programs, a signed form.
bool checksum_fits(const std::byte* block);
char type_flag(const std::byte* block);
bool is_ustar(const std::byte* block);

std::string text_field(const std::byte* block, std::size_t at, std::size_t size);
/// name, with the ustar or xstar prefix in front.
std::string name_field(const std::byte* block);
/// Octal or base-256.
std::int64_t number_field(const std::byte* block, std::size_t at, std::size_t size,
                          std::string_view what);
std::uint64_t size_field(const std::byte* block);

PaxRecords parse_pax(std::string_view text);
std::uint64_t parse_decimal(std::string_view text, std::string_view what);
std::int64_t parse_signed(std::string_view text, std::string_view what);
Timestamp parse_time(std::string_view text);
/// A negative 32-bit id is its two's complement, as the kernel takes it from Go's os.Lchown; -1
/// means "leave it", which is root.
std::uint32_t id_of(std::int64_t number, std::string_view what);
std::uint32_t device_of(std::int64_t number);

std::string decode_percent(std::string_view text);
std::string decode_base64(std::string_view text);
std::string until_nul(std::string text);

}  // namespace hull::archive::tar
