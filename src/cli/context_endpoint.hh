#pragma once
#include "cli/context_store.hh"
#include "cli/flags.hh"

#include <string>
#include <vector>

namespace hull::cli {

class Session;

/// What --docker says: host=…,ca=…,cert=…,key=…,skip-tls-verify=…,from=….
struct ContextEndpoint {
    std::string host, from;
    bool skip_tls_verify = false;
    TlsFiles tls;
};
/// Reads the TLS files. Throws invalid_argument.
ContextEndpoint parse_context_endpoint(const std::vector<std::string>& values);

/// The context `name`, also "default", which is what the environment says and is stored nowhere.
Context get_context(const Session& session, std::string_view name);

}  // namespace hull::cli
