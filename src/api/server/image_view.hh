#pragma once
#include "api/server/call.hh"
#include "api/types/image.hh"
#include "image/images.hh"

#include <string>
#include <vector>

namespace hull::server {

api::ImageSummary summarize(const image::Image& image);
api::ImageInspect inspect(const image::Image& image, std::string_view driver);

/// GET /images/json: the images that all filters let through, newest first. A `reference` filter
/// leaves only the names that it matches. Throws invalid_argument "invalid filter 'x'".
std::vector<api::ImageSummary> list_images(const image::Images& images, const Filters& filters);

/// The filters of POST /images/prune.
image::PruneOptions parse_prune_options(const Filters& filters);

/// "key" or "key=value" against labels.
bool has_label(const std::map<std::string, std::string>& labels, std::string_view filter);

}  // namespace hull::server
