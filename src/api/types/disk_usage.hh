#pragma once
#include "api/types/container.hh"
#include "api/types/image.hh"
#include "api/types/nullable.hh"
#include "api/types/volume.hh"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hull::api {

/// GET /system/df. A list that was not asked for is null.
struct DiskUsage {
    std::int64_t layers_size = 0;  ///< bytes; each layer once
    Nullable<std::vector<ImageSummary>> images;
    Nullable<std::vector<ContainerSummary>> containers;
    Nullable<std::vector<Volume>> volumes;
    bool has_build_cache = false;  ///< asked for; there is no builder, so the list is empty
};

json::Value to_json(const DiskUsage&);

}  // namespace hull::api
