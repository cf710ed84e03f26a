#pragma once
#include "api/server/call.hh"
#include "image/images.hh"

namespace hull::server {

/// `Manifests` of an image (ImageManifestSummary, API 1.47): the platforms of the index that it was
/// pulled from, with what of each is here; of other images the one there is.
json::Value manifest_summaries(Call& call, const image::Image& image);

}  // namespace hull::server
