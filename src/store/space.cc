#include "store/space.hh"

#include "base/sys.hh"

#include <fmt/core.h>

namespace hull::store {

std::string describe_shortage(const Path& directory, std::uint64_t needed_bytes) {
    const auto space = sys::find_free_space(directory);
    if (!space) return "";
    if (!space->has_inodes)
        return fmt::format("; the file system of {} has no inode left", directory);
    if (space->bytes >= needed_bytes) return "";
    return fmt::format(
        "; the file system of {} is full: at least {} KiB are needed, {} KiB are free", directory,
        needed_bytes >> 10, space->bytes >> 10);
}

}  // namespace hull::store
