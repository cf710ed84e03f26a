#pragma once
#include "linux/capabilities.hh"
#include "linux/cgroup.hh"
#include "linux/idmap.hh"
#include "linux/seccomp.hh"
#include "oci/runtime_spec.hh"

#include <vector>

/// Words of the runtime-spec to the values linux/ takes.
namespace hull::runtime {

linux_::Resources to_resources(const oci::Resources& resources);
linux_::SeccompProfile to_profile(const oci::Seccomp& seccomp);
linux_::IdMaps to_id_maps(const std::vector<oci::IdMapping>& uids,
                          const std::vector<oci::IdMapping>& gids);

struct ConvertedCapabilities {
    linux_::CapabilitySets sets;
    std::vector<std::string> unknown;
};
/// An absent set of sets is empty: no capability at all.
ConvertedCapabilities to_capabilities(const std::optional<oci::Capabilities>& capabilities);

/// The CLONE_NEW* flag.
int to_clone_flag(oci::NamespaceType type);

}  // namespace hull::runtime
