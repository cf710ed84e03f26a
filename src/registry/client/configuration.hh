#pragma once
#include "base/json.hh"
#include "oci/reference.hh"
#include "registry/client/connection.hh"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hull::registry_client {

/// What a user has shown to `login`, in one of its forms. Never logged.
struct Credentials {
    std::string username, password;
    std::string identity_token;  ///< OAuth2 refresh token
    std::string registry_token;  ///< a ready bearer token

    /// "Basic …", the header's value.
    std::string basic() const;
    bool empty() const {
        return username.empty() && identity_token.empty() && registry_token.empty();
    }
};

/// Docker's AuthConfig: {"username", "password" | "auth", "identitytoken", "registrytoken"}.
Credentials parse_credentials(const json::Value& value);

/// One address under which a registry's repositories may be found.
struct Endpoint {
    Url base;  ///< `target` is a prefix that ends with "/"
    TlsMaterial tls;
    Credentials credentials;
    bool may_be_plain = false;  ///< insecure: http when the server does not speak TLS
    bool is_mirror = false;
};

/// What the daemon's flags and files say of registries, as hull-transfer gets it from the daemon.
struct Configuration {
    std::vector<std::string> insecure;                        ///< hosts, host:port, CIDRs
    std::map<std::string, std::vector<std::string>> mirrors;  ///< URLs by registry
    std::vector<std::string> certificate_directories;         ///< /etc/docker/certs.d
    std::string user_agent;
    unsigned attempts = 5;                       ///< of each request that may succeed later
    unsigned concurrency = 3;                    ///< transfers at a time
    std::uint64_t max_layer_bytes = UINT64_MAX;  ///< unpacked
    Network network;
    /// Gets each different text of the registries' Warning headers, from any thread.
    std::function<void(const std::string& text)> on_warning;

    static Configuration parse(const json::Value& value);
    /// Reads hosts, resolv.conf, the authorities' bundle and the certificate directories of
    /// `registry` and its mirrors. Before the sandbox is entered: afterwards there are no files.
    void read_files(const std::string& registry);
    /// Where to ask for `registry`'s repositories: its mirrors, then itself.
    std::vector<Endpoint> endpoints(const std::string& registry,
                                    const Credentials& credentials) const;
    bool is_insecure(const std::string& registry) const;
    /// What to trust of `registry` (host or host:port), and what to show it.
    TlsMaterial material_for(const std::string& registry) const;

private:
    bool resolves_into_insecure(const std::string& host) const;
    std::string system_authorities_;
    std::map<std::string, TlsMaterial> materials_;  ///< by host or host:port
};

}  // namespace hull::registry_client
