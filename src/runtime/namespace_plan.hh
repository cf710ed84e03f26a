#pragma once
#include "linux/namespaces.hh"
#include "oci/runtime_spec.hh"

#include <vector>

namespace hull::runtime {

/// How the namespaces of a container come about.
struct NamespacePlan {
    std::uint64_t clone_flags = 0;
    int unshare_flags = 0;  ///< made by init, while the runtime goes on
    /// Joined by the runtime while this lives, so that the clone inherits them.
    std::vector<linux_::NamespaceVisit> visits;
    Fd mount_namespace;   ///< joined by init
    Fd cgroup_namespace;  ///< joined by init, once it is in its cgroup
    Fd user_namespace;    ///< joined by a helper, which then clones init
    bool new_network = false, new_cgroup = false, new_user = false;

    bool has_user() const { return new_user || user_namespace; }
    /// Clones init into all of them. As `clone_process`: returns twice, `visits` still there.
    linux_::Cloned clone(int cgroup) const;
};

/// Joins what is joined by path, and makes the time namespace. Throws invalid_argument.
NamespacePlan plan_namespaces(const oci::Spec& spec);

}  // namespace hull::runtime
