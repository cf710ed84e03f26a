#include "volume/record.hh"

namespace hull::volume {

std::string Volume::option(const std::string& key) const {
    if (!options) return "";
    const auto found = options->find(key);
    return found == options->end() ? "" : found->second;
}

json::Value to_json(const Volume& volume) {
    json::Object object{
        {"name", volume.name}, {"driver", volume.driver}, {"created_ns", volume.created_ns}};
    if (volume.labels) object.append("labels", *volume.labels);
    if (volume.options) object.append("options", *volume.options);
    if (!volume.arrives_from.empty()) object.append("arrives_from", volume.arrives_from);
    return object;
}

Volume parse_volume(const json::Value& value) {
    Volume volume;
    volume.name = value["name"].as_string();
    volume.driver = value["driver"].as_string();
    volume.created_ns = value["created_ns"].as_int();
    if (value["labels"].is_object()) volume.labels = value["labels"].as_string_map();
    if (value["options"].is_object()) volume.options = value["options"].as_string_map();
    if (value["arrives_from"].is_string()) volume.arrives_from = value["arrives_from"].as_string();
    return volume;
}

}  // namespace hull::volume
