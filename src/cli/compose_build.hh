#pragma once
#include "compose/project.hh"

#include <string>
#include <vector>

namespace hull::cli {

class Session;

struct ComposeBuildOptions {
    bool no_cache = false, pull = false, quiet = false, push = false, check = false;
    bool beside_others = false;  ///< other builds write to the same terminal
    int parallel = -1;
    std::vector<std::string> arguments;  ///< NAME=value
    std::string memory, ssh, provenance, sbom;
};

/// Builds the image of a service. Throws invalid_argument when it has no build.
void build_compose_service(Session& session, const compose::Project& project,
                           const std::string& service, const ComposeBuildOptions& options);

/// Builds several at the same time, but for those that need each other's images.
void build_compose_services(Session& session, const compose::Project& project,
                            const std::vector<std::string>& services, ComposeBuildOptions options);

}  // namespace hull::cli
