#pragma once
#include "oci/descriptor.hh"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace hull::image {

/// One entry of an index, and whether all of its content is in the store.
struct IndexEntry {
    oci::Descriptor descriptor;
    bool is_available = false, is_attestation = false;
    std::string config;              ///< id of the image; "" unless the manifest is here
    std::vector<std::string> blobs;  ///< config and layers, when the manifest is here
    std::uint64_t content_bytes = 0, unpacked_bytes = 0;  ///< of what is here
};

/// What a tag was pulled as when that was no single manifest.
struct ImageIndex {
    std::string digest, media_type;
    std::uint64_t size = 0;
    std::vector<IndexEntry> entries;

    bool is_complete() const {
        return std::all_of(entries.begin(), entries.end(),
                           [](const IndexEntry& entry) { return entry.is_available; });
    }
};

}  // namespace hull::image
