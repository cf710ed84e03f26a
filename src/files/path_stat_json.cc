#include "base/time.hh"
#include "files/path_stat.hh"

#include <utility>

namespace hull::files {

std::uint32_t go_file_mode(mode_t mode) {
    constexpr std::uint32_t directory = 1U << 31, link = 1U << 27, device = 1U << 26,
                            fifo = 1U << 25, socket = 1U << 24, set_uid = 1U << 23,
                            set_gid = 1U << 22, char_device = 1U << 21, sticky = 1U << 20;
    std::uint32_t result = mode & 0777;
    switch (mode & S_IFMT) {
        case S_IFDIR: result |= directory; break;
        case S_IFLNK: result |= link; break;
        case S_IFBLK: result |= device; break;
        case S_IFCHR: result |= device | char_device; break;
        case S_IFIFO: result |= fifo; break;
        case S_IFSOCK: result |= socket; break;
        default: break;
    }
    if (mode & S_ISUID) result |= set_uid;
    if (mode & S_ISGID) result |= set_gid;
    if (mode & S_ISVTX) result |= sticky;
    return result;
}

json::Value to_json(const PathStat& stat) {
    return json::Object{{"name", stat.name},
                        {"size", stat.size},
                        {"mode", stat.mode},
                        {"mtime", format_rfc3339(stat.mtime_ns)},
                        {"linkTarget", stat.link_target}};
}

PathStat parse_path_stat(const json::Value& value) {
    PathStat stat;
    stat.name = value["name"].as_string();
    stat.size = value["size"].as_uint();
    stat.mode = static_cast<std::uint32_t>(value["mode"].as_uint());
    stat.mtime_ns = parse_rfc3339(value["mtime"].as_string()).value_or(0);
    stat.link_target = value["linkTarget"].as_string();
    return stat;
}

}  // namespace hull::files
