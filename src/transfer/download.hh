#pragma once
#include "base/json.hh"
#include "registry/client/configuration.hh"
#include "transfer/messages.hh"
#include "transfer/staging.hh"

namespace hull::transfer {

/// Brings what `request["url"]` (http, https) names into a file of `staging`. `headers` go with the
/// request, `etag` and `lastModified` of an earlier answer make it conditional, and more than
/// `maxBytes` are refused. Its "result" message is {"file", "size", "sha256", "etag",
/// "lastModified", "filename", "contentType"}, or {"unchanged": true}.
void download(const json::Value& request, const registry_client::Configuration& configuration,
              Staging& staging, Messages& messages);

}  // namespace hull::transfer
