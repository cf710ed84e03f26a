#pragma once
#include "base/json.hh"

#include <string>

namespace hull::cli {

class Session;

/// How Docker Hub is called in config.json.
inline constexpr const char* hub_key = "https://index.docker.io/v1/";

/// The name in config.json of a server as `login` takes it, or of a reference's registry.
std::string registry_key_of_server(const std::string& server);
std::string registry_key_of_reference(const std::string& reference);

/// Docker's AuthConfig for `key`, null when nobody logged in there: from the helper of that
/// registry (credHelpers), the store of all (credsStore), or config.json itself, where a key may
/// have a path: `repository` ("registry/team/app") takes the longest that fits.
json::Value find_credentials(Session& session, const std::string& key,
                             const std::string& repository = "");
/// Every AuthConfig there is, by key, as a build shows them for its base images. A helper that
/// fails is told about and left out.
json::Object all_credentials(Session& session);
/// True when they went into config.json, readable for whoever reads that file.
bool store_credentials(Session& session, const std::string& key, const json::Value& credentials);
/// False when there were none.
bool erase_credentials(Session& session, const std::string& key);

/// X-Registry-Auth of a request about `reference`.
std::string registry_auth_header(Session& session, const std::string& reference);

}  // namespace hull::cli
