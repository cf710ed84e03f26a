#include "image/images.hh"

namespace hull::image {

namespace {

constexpr std::string_view hub = "docker.io";

/// "https://registry/v2/", "registry" and, for Docker Hub, its index are the same; a path that is
/// no version of the API stays.
std::string repository_of_key(std::string key) {
    if (const std::size_t scheme = key.find("://"); scheme != std::string::npos)
        key.erase(0, scheme + 3);
    while (key.ends_with('/')) key.pop_back();
    for (const std::string_view version : {"/v1", "/v2"})
        if (key.ends_with(version)) key.resize(key.size() - version.size());
    const std::size_t slash = std::min(key.find('/'), key.size());
    const std::string host = key.substr(0, slash);
    if (host == "index.docker.io" || host == "registry-1.docker.io")
        return std::string(hub) + key.substr(slash);
    return key;
}

}  // namespace

json::Value find_credentials(const json::Value& registries, const std::string& repository) {
    json::Value best;
    std::size_t best_length = 0;
    if (!registries.is_object()) return best;
    for (const auto& [key, credentials] : registries.as_object()) {
        const std::string prefix = repository_of_key(key);
        if (prefix.empty() || prefix.size() <= best_length || !credentials.is_object()) continue;
        if (repository != prefix && !repository.starts_with(prefix + "/")) continue;
        best = credentials;
        best_length = prefix.size();
    }
    return best;
}

}  // namespace hull::image
