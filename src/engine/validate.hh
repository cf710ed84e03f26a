#pragma once
#include "api/types/container.hh"
#include "engine/host.hh"

#include <string>
#include <vector>

namespace hull::engine {

/// HostConfig.SecurityOpt, understood.
struct SecurityOptions {
    bool no_new_privileges = false;
    std::string seccomp;   ///< "", "unconfined", "builtin", or a profile's JSON
    std::string apparmor;  ///< "", "unconfined", or a profile's name
};
SecurityOptions parse_security_options(const api::HostConfig& host);

/// CAP_… names a container gets, Docker's rules: the 14 defaults, CapAdd, CapDrop, ALL, privileged.
/// Throws invalid_argument for a name nobody knows.
std::vector<std::string> effective_capabilities(const api::HostConfig& host);

/// Checks a create request with Docker's texts (invalid_argument) and refuses what Hull cannot do
/// yet (unsupported), so that nothing in it is silently ignored. Fills in defaults that inspect
/// shows (MemorySwap, NetworkMode …). Returns warnings for the user.
std::vector<std::string> validate(api::CreateRequest& request, const Host& machine);

/// Of `validate`: also for one that came from an image.
void check_healthcheck(const api::ContainerConfig& config);
/// Of `validate`, what `update` may change.
void validate_limits(api::HostConfig& host, const Host& machine,
                     std::vector<std::string>& warnings);
void validate_restart_policy(api::HostConfig& host);

}  // namespace hull::engine
