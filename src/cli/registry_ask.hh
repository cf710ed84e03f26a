#pragma once
#include "base/json.hh"

#include <string>

namespace hull::cli {

class Session;

/// One question to a registry (transfer/ask.hh), answered by a hull-transfer of our own: what the
/// registry sends is parsed without any rights, and no daemon is needed. `insecure`: the registry
/// may do without TLS, or have any certificate.
json::Value ask_registry(Session& session, const std::string& reference, json::Object question,
                         bool insecure);

}  // namespace hull::cli
