#pragma once
#include "base/json.hh"
#include "registry/client/configuration.hh"
#include "transfer/messages.hh"
#include "transfer/staging.hh"

namespace hull::transfer {

/// Pushes images to one repository: their blobs, several at a time, then the manifests. Layers that
/// are stored uncompressed are compressed, and reported like those of a load together with the
/// manifest that names them, so that it happens once.
/// `request`: {"repository": canonical name, "images": [{"tag", "manifest"}], "blobs": [{"digest",
/// "fd", "size", "mounts": [repository], "location"}], "auth": credentials}. Reports "begun"
/// {blob, location} for uploads that can go on later, and "pushed" {tag, digest, size}.
void push(const json::Value& request, const registry_client::Configuration& configuration,
          Staging& staging, Messages& messages);

}  // namespace hull::transfer
