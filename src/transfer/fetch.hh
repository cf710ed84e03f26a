#pragma once
#include "registry/client/configuration.hh"
#include "transfer/messages.hh"

namespace hull::transfer {

/// Writes what `request["url"]` (http or https) has to `output_fd` and reports how far it is:
/// {"state": {"status", "current", "total"}}.
void fetch(const json::Value& request, const registry_client::Configuration& configuration,
           Messages& messages, int output_fd);

}  // namespace hull::transfer
