#include "store/space.hh"

#include <fmt/core.h>
#include <sys/statvfs.h>

namespace hull::store {

std::string describe_shortage(const Path& directory, std::uint64_t needed_bytes) {
    struct statvfs info {};
    if (::statvfs(directory.c_str(), &info) != 0) return "";
    if (info.f_files != 0 && info.f_favail == 0)
        return fmt::format("; the file system of {} has no inode left", directory);
    const std::uint64_t free_bytes = info.f_bavail * info.f_frsize;
    if (free_bytes >= needed_bytes) return "";
    return fmt::format(
        "; the file system of {} is full: at least {} KiB are needed, {} KiB are free", directory,
        needed_bytes >> 10, free_bytes >> 10);
}

}  // namespace hull::store
