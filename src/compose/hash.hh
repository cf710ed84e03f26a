#pragma once
#include "compose/project.hh"

#include <string>
#include <vector>

namespace hull::compose {

/// What of a service decides whether its containers are still right: without build, dependencies,
/// scale, profiles and the like.
Node container_config(const Node& service);

/// What differs, one short text each: "ports[0].published: 80→81".
std::vector<std::string> differences(const Node& before, const Node& after);

/// The image a service's containers are made of: PROJECT-SERVICE when only a build says.
std::string image_of(const Project& project, const std::string& service);

/// Orders and completes a tree as `config` prints it; with `escape`, a $ becomes $$ so that reading
/// it again gives the same.
void prepare_for_output(Node& root, bool complete, bool escape);

}  // namespace hull::compose
