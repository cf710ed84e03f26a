#include "api/types/host_config_json.hh"

namespace hull::api {

json::Value to_json(const Ulimit& value) { return detail::encode(value); }
void from_json(const json::Value& json, Ulimit& value) { detail::decode(json, value); }
json::Value to_json(const Mount& value) { return detail::encode(value); }
void from_json(const json::Value& json, Mount& value) { detail::decode(json, value); }
json::Value to_json(const HostConfig& value) { return detail::encode(value); }
void from_json(const json::Value& json, HostConfig& value) { detail::decode(json, value); }

}  // namespace hull::api
