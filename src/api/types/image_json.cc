#include "api/types/image.hh"

#include "api/types/container_json.hh"

namespace hull::api {

template <typename Visitor>
void fields(Visitor& visit, Of<ImageSummary> auto& value) {
    visit("Containers", value.containers);
    visit("Created", value.created);
    visit("Id", value.id);
    visit("Labels", value.labels);
    visit("ParentId", value.parent_id);
    visit("RepoDigests", value.repo_digests);
    visit("RepoTags", value.repo_tags);
    visit("SharedSize", value.shared_size);
    visit("Size", value.size);
}

template <typename Visitor>
void inspect_fields(Visitor& visit, Of<ImageInspect> auto& value) {
    visit("Id", value.id);
    visit("RepoTags", value.repo_tags);
    visit("RepoDigests", value.repo_digests);
    visit("Parent", value.parent);
    visit("Comment", value.comment);
    visit.omit_empty("Created", value.created);
    visit("DockerVersion", value.docker_version);
    visit("Author", value.author);
    visit("Config", value.config);
    visit("Architecture", value.architecture);
    visit.omit_empty("Variant", value.variant);
    visit("Os", value.os);
    visit.omit_empty("OsVersion", value.os_version);
    visit("Size", value.size);
    visit("GraphDriver", value.graph_driver);
}

template <typename Visitor>
void fields(Visitor& visit, Of<HistoryItem> auto& value) {
    visit("Comment", value.comment);
    visit("Created", value.created);
    visit("CreatedBy", value.created_by);
    visit("Id", value.id);
    visit("Size", value.size);
    visit("Tags", value.tags);
}

template <typename Visitor>
void fields(Visitor& visit, Of<ImageDeleteItem> auto& value) {
    visit.omit_empty("Untagged", value.untagged);
    visit.omit_empty("Deleted", value.deleted);
}

template <typename Visitor>
void fields(Visitor& visit, Of<ImagesPruneResponse> auto& value) {
    visit("ImagesDeleted", value.images_deleted);
    visit("SpaceReclaimed", value.space_reclaimed);
}

json::Value to_json(const ImageSummary& value) { return detail::encode(value); }
void from_json(const json::Value& json, ImageSummary& value) { detail::decode(json, value); }
json::Value to_json(const HistoryItem& value) { return detail::encode(value); }
void from_json(const json::Value& json, HistoryItem& value) { detail::decode(json, value); }
json::Value to_json(const ImageDeleteItem& value) { return detail::encode(value); }
void from_json(const json::Value& json, ImageDeleteItem& value) { detail::decode(json, value); }
json::Value to_json(const ImagesPruneResponse& value) { return detail::encode(value); }
void from_json(const json::Value& json, ImagesPruneResponse& value) { detail::decode(json, value); }

json::Value to_json(const ImageInspect& value) {
    detail::Writer writer;
    inspect_fields(writer, value);
    writer.object.append("RootFS",
                         json::Object{{"Type", "layers"}, {"Layers", json::Value(value.layers)}});
    writer.object.append("Metadata", json::Object{{"LastTagTime", value.last_tag_time}});
    return std::move(writer.object);
}

void from_json(const json::Value& json, ImageInspect& value) {
    detail::Reader reader(json.as_object());
    inspect_fields(reader, value);
    value.layers = json["RootFS"]["Layers"].as_strings();
    if (json["Metadata"]["LastTagTime"].is_string())
        value.last_tag_time = json["Metadata"]["LastTagTime"].as_string();
}

}  // namespace hull::api
