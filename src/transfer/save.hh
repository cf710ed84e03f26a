#pragma once
#include <string_view>

namespace hull::transfer {

/// Writes images to `output_fd` as one tar that is a Docker archive (manifest.json, repositories)
/// and an OCI layout at once, as Docker 25 does; the same request gives the same bytes. `request`
/// is JSON: {"images": [{"config", "manifest", "tags"}], "blobs": [{"digest", "fd", "size"}]}.
void save(std::string_view request, int output_fd);

}  // namespace hull::transfer
