#pragma once
#include "transfer/archive_contents.hh"

#include <string>
#include <vector>

namespace hull::transfer {

/// An image of the format before Docker 1.10: a chain of directories ID/{json,layer.tar}.
struct LegacyImage {
    std::string config;               ///< image config made of the chain's documents
    std::vector<std::string> layers;  ///< names in the archive, base first
};

/// Follows `parent` from the directory `id` to the base. Layers that are not converted yet are.
/// Source: docker image spec v1, "Image JSON Description".
LegacyImage read_legacy_image(ArchiveContents& contents, const std::string& id);

}  // namespace hull::transfer
