#pragma once
#include "base/json.hh"
#include "registry/client/configuration.hh"
#include "transfer/messages.hh"

namespace hull::transfer {

/// One question to a registry, answered by one "result" message. `request["ask"]` is
/// - "login": whether the credentials are good: {"identityToken"};
/// - "inspect": {"descriptor", "platforms"} of {"reference"}, as GET /distribution/NAME/json;
/// - "manifest": {"text", "mediaType", "digest", "platform"} of {"reference"};
/// - "put": stores {"text", "mediaType"} as {"reference"}, after the manifests that {"sources":
///   [{"repository", "digest"}]} name came over from other repositories of the registry:
///   {"digest"};
/// - "search": {"items"} for {"term", "limit"}.
/// `request["repository"]` is canonical; "search" and "login" look at its registry only.
void ask(const json::Value& request, const registry_client::Configuration& configuration,
         Messages& messages);

}  // namespace hull::transfer
