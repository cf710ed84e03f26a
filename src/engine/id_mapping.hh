#pragma once
#include "engine/planned_mount.hh"
#include "oci/runtime_spec.hh"

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace hull::engine {

/// Throws invalid_argument for what is neither "map=host" nor "idmap=uids=H-C-N#…;gids=H-C-N#…".
void check_id_map(std::string_view text);

/// What a mount with an id map needs, given who owns its source and whom the container's user is.
/// "map=host": the owner of the source is the container's user inside, and what that user makes
/// belongs to the owner outside. Other ids stay what they are.
struct IdMapping {
    std::vector<oci::IdMapping> uids, gids;
};
struct Ids {
    uid_t uid = 0;
    gid_t gid = 0;
};
IdMapping make_id_mapping(std::string_view text, Ids source_owner, Ids container_user);

}  // namespace hull::engine
