#pragma once
#include "compose/project.hh"

#include <string>
#include <vector>

namespace hull::cli {

class Session;

struct ComposeBuildOptions {
    bool no_cache = false, pull = false, quiet = false, push = false, check = false;
    std::vector<std::string> arguments;  ///< NAME=value
    std::string memory;
};

/// Builds the image of a service. Throws invalid_argument when it has no build.
void build_compose_service(Session& session, const compose::Project& project,
                           const std::string& service, const ComposeBuildOptions& options);

}  // namespace hull::cli
