#pragma once
#include "base/json.hh"
#include "oci/digest.hh"
#include "oci/platform.hh"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hull::oci {

namespace media_type {
inline constexpr std::string_view oci_manifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view oci_index = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view oci_config = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view oci_layer = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view oci_layer_gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr std::string_view oci_layer_zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr std::string_view oci_empty = "application/vnd.oci.empty.v1+json";
inline constexpr std::string_view docker_manifest =
    "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view docker_list =
    "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view docker_config = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view docker_layer = "application/vnd.docker.image.rootfs.diff.tar";
inline constexpr std::string_view docker_layer_gzip =
    "application/vnd.docker.image.rootfs.diff.tar.gzip";
inline constexpr std::string_view docker_foreign_layer =
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
}  // namespace media_type

bool is_manifest_type(std::string_view media_type);  ///< of one image
bool is_index_type(std::string_view media_type);     ///< of several
bool is_layer_type(std::string_view media_type);

/// {mediaType, digest, size} and what may come along. Source: image-spec descriptor.md.
struct Descriptor {
    std::string media_type{};
    Digest digest{};
    std::int64_t size = 0;
    std::vector<std::string> urls{};
    std::map<std::string, std::string> annotations{};
    std::string artifact_type{};
    std::string data{};  ///< base64, as written
    std::optional<Platform> platform{};

    bool operator==(const Descriptor&) const = default;
};

/// Throws invalid_argument naming the member; `size` must not be negative.
Descriptor parse_descriptor(const json::Value& value);
json::Value to_json(const Descriptor& descriptor);

}  // namespace hull::oci
