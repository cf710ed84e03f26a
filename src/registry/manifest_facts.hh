#pragma once
#include "base/json.hh"
#include "registry/content_digest.hh"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hull::registry {

/// What a registry must know of a manifest that a stranger sent; the text itself is kept as it is.
struct ManifestFacts {
    struct Reference {
        ContentDigest digest;
        std::uint64_t size = 0;
        bool is_manifest = false;   ///< an entry of an index
        bool is_elsewhere = false;  ///< has URLs or may not be distributed: need not be here
    };
    std::string media_type;
    std::vector<Reference> references;
    std::optional<ContentDigest> subject;
    std::string artifact_type;  ///< of the manifest, else its config's media type
    json::Value annotations;    ///< object or null
};

/// Reads OCI manifests and indexes, Docker schema 2 manifests and lists. `content_type` is what
/// the client said, "" when unknown. Throws a Refusal MANIFEST_INVALID that names the member.
ManifestFacts parse_manifest_facts(std::string_view text, std::string_view content_type);

/// What the reply to a GET says, from the text alone: `mediaType`, else what its members tell.
std::string find_media_type(std::string_view text);

/// The digest of the linux/amd64 entry of an index, for clients that accept no index.
std::optional<ContentDigest> find_default_platform(std::string_view index_text);

bool is_index(std::string_view media_type);

}  // namespace hull::registry
