#pragma once
#include "api/types/host_config.hh"
#include "engine/planned_mount.hh"

#include <string_view>

namespace hull::engine {

/// One of HostConfig.Mounts, checked as Docker checks it. Throws invalid_argument with its texts.
PlannedMount plan_mount_request(const api::Mount& request);

bool is_propagation(std::string_view word);

}  // namespace hull::engine
