#pragma once
#include "compose/project.hh"

#include <string>

namespace hull::compose {

/// What of the project decides whether a service's containers are still right: `container_config`,
/// and under "top-level networks", "top-level volumes", "top-level secrets" and "top-level configs"
/// the definitions of what it uses. Values of secrets are there as hashes only.
Node full_config(const Project& project, const Node& service);

/// What of a network's or a volume's definition its own existence depends on.
Node resource_config(const Node& resource);
/// What differs between the configuration in a label of ours and `now`; "" when nothing does or
/// when the label is not there.
std::string changes_since(const std::string& label, const Node& now);

}  // namespace hull::compose
