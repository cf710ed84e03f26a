#pragma once
#include "linux/cgroup.hh"
#include "oci/runtime_spec.hh"

#include <optional>
#include <string>

/// What is different when we are not root of the machine: another uid, or root of a user namespace.
namespace hull::runtime {

/// Another uid: what needs privileges is done by init, inside its user namespace. Throws
/// invalid_argument when the spec has none, and unsupported for what cannot be had without root.
void check_unprivileged(const oci::Spec& spec);

/// The container's cgroup with its limits. nullopt, with a warning, where no cgroup was delegated
/// to us: the container stays in ours then, without limits of its own. A path of "" is one below
/// our own cgroup named after `id`.
std::optional<linux_::Cgroup> try_make_cgroup(const linux_::CgroupLayout& layout,
                                              const std::string& path, const std::string& id,
                                              const linux_::Resources& resources);

/// Whether we may put a process into it.
bool may_join(const linux_::Cgroup& cgroup);

}  // namespace hull::runtime
