#pragma once
#include "archive/byte_source.hh"
#include "transfer/messages.hh"
#include "transfer/staging.hh"

#include <set>
#include <string>

namespace hull::transfer {

/// Reads what `docker save`, `skopeo copy docker-archive:/oci-archive:`, `podman save` and BuildKit
/// write (plain, gzip or zstd) and reports its images: Docker archive (manifest.json, or the legacy
/// `repositories`) and OCI layout, of an index the manifest that fits this machine. Every digest is
/// checked: data_loss names the layer. `known_layers` are diffIDs the daemon has.
void load(archive::ByteSource& stream, Staging& staging, Messages& messages,
          std::set<std::string> known_layers);

}  // namespace hull::transfer
