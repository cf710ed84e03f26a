#pragma once
#include "base/fd.hh"

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <vector>

namespace hull::linux_ {

struct IdRange {
    std::uint32_t inside = 0, outside = 0, count = 0;
};
struct IdMaps {
    std::vector<IdRange> uids, gids;
};

/// Writes uid_map and gid_map of a process in a new user namespace. Without the privilege to do so
/// newuidmap and newgidmap are used, or, for a single id, setgroups is denied first.
void write_id_maps(pid_t pid, const IdMaps& maps);
/// A user namespace that exists only to carry a mapping, for idmapped mounts.
Fd make_user_namespace(const IdMaps& maps);

}  // namespace hull::linux_
