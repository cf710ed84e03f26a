#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace hull::buildkit {

/// One file as fsutil tells of it. Source: fsutil types/stat.proto; `mode` is Go's os.FileMode.
struct FileStat {
    std::string path;
    std::uint32_t mode = 0, uid = 0, gid = 0;
    std::int64_t size = 0, modified_ns = 0;
    std::string link;  ///< of a symbolic link its target, of a file another name of it

    bool is_directory() const { return mode & 1U << 31; }
    bool is_symlink() const { return mode & 1U << 27; }
    bool is_regular() const { return !(mode & type_bits); }
    /// What chmod(2) takes.
    mode_t permissions() const;

    static constexpr std::uint32_t type_bits =
        1U << 31 | 1U << 27 | 1U << 26 | 1U << 25 | 1U << 24 | 1U << 21 | 1U << 19;
};

/// Throws invalid_argument for a message that is none, and for a path that leads out of its tree.
FileStat parse_file_stat(std::string_view bytes);
/// The other way round.
std::string format_file_stat(const FileStat& file);
std::uint32_t go_mode(mode_t mode);

}  // namespace hull::buildkit
