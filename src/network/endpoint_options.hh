#pragma once
#include "network/namespace_pool.hh"
#include "network/record.hh"

#include <string>

namespace hull::network {

/// Throws when an endpoint's driver options are not what we know:
/// com.docker.network.endpoint.ifname (the interface's name in the container) and .sysctls
/// ("net.ipv4.conf.IFNAME.log_martians=1,…").
void check_endpoint_options(const StringMap& options);

/// What `ifname` says; "" without.
std::string wanted_interface(const StringMap& options);

/// Writes what `sysctls` says, of that interface, in the container's namespace.
void apply_sysctls(const Namespace& target, const StringMap& options, const std::string& interface);

}  // namespace hull::network
