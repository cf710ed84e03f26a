#pragma once
#include "oci/descriptor.hh"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace hull::oci {

/// One image: OCI image manifest or Docker schema 2, told apart by `media_type`.
struct Manifest {
    std::string media_type{media_type::oci_manifest};
    Descriptor config{};
    std::vector<Descriptor> layers{};  ///< base first
    std::string artifact_type{};
    std::optional<Descriptor> subject{};
    std::map<std::string, std::string> annotations{};
};

/// Several manifests: OCI image index or Docker manifest list.
struct Index {
    std::string media_type{media_type::oci_index};
    std::vector<Descriptor> manifests{};
    std::string artifact_type{};
    std::optional<Descriptor> subject{};
    std::map<std::string, std::string> annotations{};
};

/// Reads either; the type comes from `mediaType` in the text, else `expected_type` (what the
/// descriptor or Content-Type said), else from which members there are. A text that is both
/// (`layers` and `manifests`) is refused (CVE-2021-41190), so is schema 1 (unsupported).
std::variant<Manifest, Index> parse_manifest_or_index(std::string_view text,
                                                      std::string_view expected_type = "");
/// Throws invalid_argument when the text is an index.
Manifest parse_manifest(std::string_view text, std::string_view expected_type = "");
Index parse_index(std::string_view text, std::string_view expected_type = "");

json::Value to_json(const Manifest& manifest);
json::Value to_json(const Index& index);

/// The entry of the index that fits best, nullptr when none does.
const Descriptor* find_platform(const Index& index, const Platform& wanted);

}  // namespace hull::oci
