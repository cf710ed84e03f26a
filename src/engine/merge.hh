#pragma once
#include "api/types/container.hh"
#include "oci/image_config.hh"

#include <string>
#include <vector>

namespace hull::engine {

/// What a container starts with: the request, completed by the image's config. Env is merged by
/// name, Labels, Volumes and ExposedPorts are united, an Entrypoint in the request drops the
/// image's Cmd. Source: moby, "merge" of container and image configs.
void merge_image_config(api::ContainerConfig& config, const oci::ImageConfigBlock& image);

/// entrypoint + cmd. Throws invalid_argument "No command specified".
std::vector<std::string> command_line(const api::ContainerConfig& config);

}  // namespace hull::engine
