#pragma once
#include "archive/tar_entry.hh"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

// Tar bytes for tests, as hostile as one likes: nothing here checks anything.
namespace hull::archive::test {

/// A raw header block with a right checksum. `size` is what the size field says.
struct RawHeader {
    std::string name;
    char type = '0';
    std::uint64_t size = 0;
    std::string link_target;
    std::string magic = std::string("ustar\0", 6) + "00";
    std::string mode = "0000644", uid = "0000000", gid = "0000000", mtime = "00000000000",
                size_field, device_major, device_minor, prefix;

    std::string block() const;
};

/// Content with zeros up to the block boundary.
std::string padded(std::string_view content);
/// Header and content of a regular file.
std::string file(const std::string& name, std::string_view content);
std::string directory(const std::string& name);
std::string link(char type, const std::string& name, const std::string& target);
/// A pax header ('x' or 'g') of these records.
std::string pax(char type, const std::map<std::string, std::string>& records);
std::string pax_record(std::string_view key, std::string_view value);
/// The two zero blocks.
std::string end();

}  // namespace hull::archive::test
