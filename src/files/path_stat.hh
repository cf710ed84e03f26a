#pragma once
#include "base/json.hh"

#include <sys/stat.h>

#include <cstdint>
#include <string>

namespace hull::files {

/// What X-Docker-Container-Path-Stat says of a path.
struct PathStat {
    std::string name;        ///< last component as typed: "." of "/data/.", "/" of the root
    std::uint64_t size = 0;  ///< bytes
    std::uint32_t mode = 0;  ///< Go's FileMode
    std::int64_t mtime_ns = 0;
    std::string link_target;  ///< of a link: where it leads in the end, from the container's root
};

/// Permissions and kind as Go's os.FileMode has them; the header speaks that.
std::uint32_t go_file_mode(mode_t mode);

json::Value to_json(const PathStat& stat);
PathStat parse_path_stat(const json::Value& value);

}  // namespace hull::files
