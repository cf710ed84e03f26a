#pragma once
#include "compose/project.hh"

#include <string>

namespace hull::compose {

/// Where the value of a key came from, one line for each value below it:
/// "services.web.image: busybox:3  compose.yaml:4:12, TAG=3 (.env)".
/// Throws not_found with the nearest key.
std::string explain(const Project& project, const std::string& key);

}  // namespace hull::compose
