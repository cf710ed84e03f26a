#pragma once
#include "base/json.hh"

#include <string>
#include <string_view>

namespace hull::image {
class Images;
}

/// What replies look like for clients that ask for an older API version than ours.
namespace hull::server {

void adapt_container_summary(json::Value& item, int minor_version);
void adapt_container_inspect(json::Value& container, int minor_version);
/// EnableIPv4 came with 1.48.
void adapt_network(json::Value& network, int minor_version);
void adapt_image_summary(json::Value& item, int minor_version);
void adapt_image_inspect(json::Value& image, int minor_version);
/// Container and ContainerConfig, which images had until 1.45.
void add_container_config(json::Value& image);

/// Throws not_found when `reference` is an image of another platform than the wanted one ("" is
/// any).
void require_platform(const image::Images& images, const std::string& reference,
                      const std::string& platform);

}  // namespace hull::server
