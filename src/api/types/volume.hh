#pragma once
#include "api/types/nullable.hh"
#include "base/json.hh"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hull::api {

/// What `system df` says of a volume.
struct VolumeUsageData {
    std::int64_t ref_count = 0;  ///< containers that have it
    std::int64_t size = 0;       ///< bytes; -1: nobody could tell
};

struct Volume {
    std::string created_at;  ///< RFC 3339
    std::string driver;
    StringMap labels;  ///< null when it was made without
    std::string mountpoint, name;
    StringMap options;  ///< null when it was made without
    std::string scope;
    json::Value status;  ///< what the driver says beyond this; null: nothing
    std::optional<VolumeUsageData> usage_data;
};

/// POST /volumes/create
struct VolumeCreateRequest {
    std::string name, driver;
    StringMap driver_opts, labels;
    json::Value cluster_volume_spec;  ///< for Swarm: refused
};

/// GET /volumes
struct VolumeList {
    std::vector<Volume> volumes;
    Strings warnings;
};

json::Value to_json(const Volume&);
json::Value to_json(const VolumeCreateRequest&);
json::Value to_json(const VolumeList&);
void from_json(const json::Value&, Volume&);
void from_json(const json::Value&, VolumeCreateRequest&);
void from_json(const json::Value&, VolumeList&);

}  // namespace hull::api
