#include "api/types/disk_usage.hh"

namespace hull::api {

namespace {

template <typename T>
json::Value list_or_null(const Nullable<std::vector<T>>& items) {
    return items.is_null() ? json::Value()
                           : to_json_array(static_cast<const std::vector<T>&>(items));
}

}  // namespace

json::Value to_json(const DiskUsage& value) {
    return json::Object{
        {"LayersSize", value.layers_size},
        {"Images", list_or_null(value.images)},
        {"Containers", list_or_null(value.containers)},
        {"Volumes", list_or_null(value.volumes)},
        {"BuildCache", value.has_build_cache ? json::Value(json::Array{}) : json::Value()},
    };
}

}  // namespace hull::api
