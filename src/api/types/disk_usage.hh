#pragma once
#include "api/types/container.hh"
#include "api/types/image.hh"
#include "api/types/nullable.hh"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hull::api {

/// A local volume with what it holds.
struct VolumeUsage {
    std::string name, mountpoint;
    std::string created_at;      ///< RFC 3339
    std::int64_t size = 0;       ///< bytes
    std::int64_t ref_count = 0;  ///< containers that have it
};

/// GET /system/df. A list that was not asked for is null.
struct DiskUsage {
    std::int64_t layers_size = 0;  ///< bytes; each layer once
    Nullable<std::vector<ImageSummary>> images;
    Nullable<std::vector<ContainerSummary>> containers;
    Nullable<std::vector<VolumeUsage>> volumes;
    bool has_build_cache = false;  ///< asked for; there is no builder, so the list is empty
};

json::Value to_json(const VolumeUsage&);
json::Value to_json(const DiskUsage&);

}  // namespace hull::api
