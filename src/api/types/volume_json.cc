#include "api/types/container_json.hh"
#include "api/types/volume.hh"

namespace hull::api {

template <typename Visitor>
void fields(Visitor& visit, Of<VolumeUsageData> auto& value) {
    visit("RefCount", value.ref_count);
    visit("Size", value.size);
}

template <typename Visitor>
void fields(Visitor& visit, Of<Volume> auto& value) {
    visit("CreatedAt", value.created_at);
    visit("Driver", value.driver);
    visit("Labels", value.labels);
    visit("Mountpoint", value.mountpoint);
    visit("Name", value.name);
    visit("Options", value.options);
    visit("Scope", value.scope);
    visit.omit_empty("Status", value.status);
    visit.omit_empty("UsageData", value.usage_data);
}

template <typename Visitor>
void fields(Visitor& visit, Of<VolumeCreateRequest> auto& value) {
    visit("Name", value.name);
    visit("Driver", value.driver);
    visit("DriverOpts", value.driver_opts);
    visit("Labels", value.labels);
    visit.omit_empty("ClusterVolumeSpec", value.cluster_volume_spec);
}

template <typename Visitor>
void fields(Visitor& visit, Of<VolumeList> auto& value) {
    visit("Volumes", value.volumes);
    visit("Warnings", value.warnings);
}

json::Value to_json(const Volume& value) { return detail::encode(value); }
void from_json(const json::Value& json, Volume& value) { detail::decode(json, value); }
json::Value to_json(const VolumeCreateRequest& value) { return detail::encode(value); }
void from_json(const json::Value& json, VolumeCreateRequest& value) { detail::decode(json, value); }
json::Value to_json(const VolumeList& value) { return detail::encode(value); }
void from_json(const json::Value& json, VolumeList& value) { detail::decode(json, value); }

}  // namespace hull::api
