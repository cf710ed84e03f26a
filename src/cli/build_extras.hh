#pragma once
#include "base/json.hh"
#include "cli/flags.hh"

#include <string>
#include <string_view>
#include <vector>

namespace hull::cli {

/// What a build for several platforms made for one of them.
struct BuildPart {
    std::string platform, image_id, digest;
};

/// What a build has made.
struct BuildAnswer {
    std::string image_id;
    std::string digest;                   ///< of the manifest or index
    std::vector<BuildPart> parts;         ///< of an index
    json::Value provenance;               ///< null without
    std::string record_id;                ///< of the last build that began; "" as it was asked for
    std::vector<std::string> record_ids;  ///< of all, when there are several

    /// Takes what an `aux` message says.
    void take(const json::Value& aux);
};

/// `--annotation [PLACE[[PLATFORM]],…:]KEY=VALUE` as what the daemon takes. Throws invalid_argument
/// for an index's when there will be none.
json::Array make_annotations(const std::vector<std::string>& lines, bool has_index);
/// `--provenance`, `--sbom` and `--attest`; null when no statement is wanted. Throws
/// invalid_argument for what cannot be made.
json::Value make_provenance(const Arguments& arguments);

/// The file of --metadata-file.
std::string format_metadata(const BuildAnswer& answer, const std::vector<std::string>& tags,
                            const std::string& record_id);

}  // namespace hull::cli
