#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hull::archive {

/// What one tar entry makes.
enum class EntryType {
    file,
    directory,
    symlink,
    hard_link,
    char_device,
    block_device,
    fifo,
};

/// A point in time; `nanoseconds` is 0..999999999 and counts forward, also before 1970.
struct Timestamp {
    std::int64_t seconds = 0;
    std::uint32_t nanoseconds = 0;
    bool operator==(const Timestamp&) const = default;
};

/// `name` in double quotes for messages: control bytes escaped, at most 200 bytes.
std::string quoted(std::string_view name);

/// A stretch of a sparse file that is stored; what lies between stretches reads as zeros.
struct Extent {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    bool operator==(const Extent&) const = default;
};

/// One member of a tar archive, whatever dialect it was written in. Names are bytes: not
/// necessarily UTF-8, never with a NUL.
struct Entry {
    EntryType type = EntryType::file;
    std::string name;         ///< as archived: may be absolute, hold `..`, end in a slash
    std::string link_target;  ///< of symlinks and hard links
    std::uint32_t mode = 0;   ///< permission bits with setuid, setgid, sticky (07777)
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::string user_name;
    std::string group_name;
    std::uint64_t size = 0;         ///< of the file that is made; 0 for all but files
    std::uint64_t stored_size = 0;  ///< bytes of data in the archive; differs for sparse files
    Timestamp mtime;
    std::uint32_t device_major = 0;
    std::uint32_t device_minor = 0;
    std::map<std::string, std::string> xattrs;  ///< full names, such as `security.capability`
    bool sparse = false;
    std::vector<Extent> extents;  ///< of a sparse file, ascending, not overlapping
};

}  // namespace hull::archive
