#include "oci/descriptor.hh"

namespace hull::oci {

bool is_manifest_type(std::string_view type) {
    return type == media_type::oci_manifest || type == media_type::docker_manifest;
}
bool is_index_type(std::string_view type) {
    return type == media_type::oci_index || type == media_type::docker_list;
}
bool is_layer_type(std::string_view type) {
    return type.starts_with(media_type::oci_layer) || type.starts_with(media_type::docker_layer) ||
           type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.tar") ||
           type == media_type::docker_foreign_layer;
}

}  // namespace hull::oci
