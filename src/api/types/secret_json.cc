#include "api/types/secret.hh"

#include "api/types/container_json.hh"

namespace hull::api {

template <typename Visitor>
void fields(Visitor& visit, Of<SecretSpec> auto& value) {
    visit("Name", value.name);
    visit("Labels", value.labels);
    visit.omit_empty("Data", value.data);
}

json::Value to_json(const SecretSpec& value) { return detail::encode(value); }
void from_json(const json::Value& json, SecretSpec& value) { detail::decode(json, value); }

json::Value to_json(const Secret& value) {
    return json::Object{{"ID", value.id},
                        {"Version", json::Object{{"Index", value.version}}},
                        {"CreatedAt", value.created_at},
                        {"UpdatedAt", value.updated_at},
                        {"Spec", to_json(value.spec)}};
}

void from_json(const json::Value& json, Secret& value) {
    value.id = json["ID"].as_string();
    if (json["Version"].is_object()) value.version = json["Version"]["Index"].as_uint();
    value.created_at = json["CreatedAt"].as_string();
    value.updated_at = json["UpdatedAt"].as_string();
    from_json(json["Spec"], value.spec);
}

}  // namespace hull::api
