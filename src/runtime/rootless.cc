#include "runtime/rootless.hh"

#include "base/error.hh"
#include "base/log.hh"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace hull::runtime {
namespace {

bool has_limits(const linux_::Resources& resources) {
    const linux_::MemoryLimits& memory = resources.memory;
    const linux_::CpuLimits& cpu = resources.cpu;
    return memory.limit || memory.reservation || memory.swap || cpu.shares || cpu.quota ||
           !cpu.cpus.empty() || !cpu.mems.empty() || resources.pids_limit ||
           resources.block_io.weight || !resources.unified.empty();
}

}  // namespace

void check_unprivileged(const oci::Spec& spec) {
    const auto& spaces = spec.linux_.namespaces;
    const bool has_user = std::ranges::any_of(
        spaces, [](const oci::Namespace& space) { return space.type == oci::NamespaceType::user; });
    if (!has_user)
        throw Error(ErrorKind::invalid_argument,
                    "without root a container needs a user namespace: add one to "
                    "linux.namespaces, with uidMappings and gidMappings");
    for (const oci::Namespace& space : spaces)
        if (space.type == oci::NamespaceType::time)
            throw Error(ErrorKind::unsupported, "time namespaces need root");
    for (const oci::Mount& mount : spec.mounts)
        if (!mount.uid_mappings.empty() || !mount.gid_mappings.empty() ||
            std::ranges::find(mount.options, "idmap") != mount.options.end() ||
            std::ranges::find(mount.options, "ridmap") != mount.options.end())
            throw Error(ErrorKind::unsupported, "{}: mapping the ids of a mount needs root",
                        mount.destination);
}

std::optional<linux_::Cgroup> try_make_cgroup(const linux_::CgroupLayout& layout,
                                              const std::string& path, const std::string& id,
                                              const linux_::Resources& resources) {
    try {
        linux_::Cgroup cgroup = linux_::Cgroup::create(layout, path.empty() ? id : path);
        for (const std::string& warning : cgroup.set(resources)) log::warning("{}", warning);
        if (may_join(cgroup)) return cgroup;
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::forbidden && error.error_number() != EROFS) throw;
        log::debug("{}", error.message());
    }
    if (has_limits(resources))
        log::warning(
            "no cgroup is delegated to us: the limits of {} are not in force; "
            "`systemd-run --user --scope -p Delegate=yes` gives a cgroup",
            id);
    return std::nullopt;
}

bool may_join(const linux_::Cgroup& cgroup) {
    return std::ranges::all_of(cgroup.directories(),
                               [](const linux_::Cgroup::Directory& directory) {
        return ::access(join(directory.path, "cgroup.procs").c_str(), W_OK) == 0;
    });
}

}  // namespace hull::runtime
