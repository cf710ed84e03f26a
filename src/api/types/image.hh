#pragma once
#include "api/types/container.hh"
#include "api/types/nullable.hh"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hull::api {

/// One item of GET /images/json.
struct ImageSummary {
    std::int64_t containers = -1;  ///< -1 = not counted
    std::int64_t created = 0;      ///< unix seconds
    std::string id;                ///< sha256:…
    StringMap labels;
    std::string parent_id;
    std::vector<std::string> repo_digests, repo_tags;
    std::int64_t shared_size = -1;  ///< -1 = not counted
    std::int64_t size = 0;          ///< bytes
};

/// GET /images/{name}/json
struct ImageInspect {
    std::string id;
    std::vector<std::string> repo_tags, repo_digests;
    std::string parent, comment;
    std::string created;  ///< RFC 3339; "" = unknown
    std::string docker_version, author;
    ContainerConfig config;
    std::string architecture, variant, os, os_version;
    std::int64_t size = 0;  ///< bytes
    GraphDriver graph_driver;
    std::vector<std::string> layers;  ///< RootFS.Layers: diffIDs
    std::string last_tag_time;        ///< Metadata.LastTagTime; hull::zero_time when never
};

/// One item of GET /images/{name}/history, newest first.
struct HistoryItem {
    std::string comment;
    std::int64_t created = 0;  ///< unix seconds
    std::string created_by;
    std::string id;  ///< "<missing>" for all but the newest
    std::int64_t size = 0;
    Strings tags;
};

/// One item of DELETE /images/{name}: exactly one member is set.
struct ImageDeleteItem {
    std::string untagged, deleted;
};

struct ImagesPruneResponse {
    Nullable<std::vector<ImageDeleteItem>> images_deleted;
    std::uint64_t space_reclaimed = 0;  ///< bytes
};

json::Value to_json(const ImageSummary&);
void from_json(const json::Value&, ImageSummary&);
json::Value to_json(const ImageInspect&);
void from_json(const json::Value&, ImageInspect&);
json::Value to_json(const HistoryItem&);
void from_json(const json::Value&, HistoryItem&);
json::Value to_json(const ImageDeleteItem&);
void from_json(const json::Value&, ImageDeleteItem&);
json::Value to_json(const ImagesPruneResponse&);
void from_json(const json::Value&, ImagesPruneResponse&);

}  // namespace hull::api
