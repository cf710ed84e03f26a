#pragma once
#include "linux/cgroup.hh"
#include "oci/seccomp_profile.hh"

#include <cstdint>
#include <string>
#include <vector>

namespace hull::engine {

/// Facts about this machine, read once.
struct Host {
    int cpus = 1;  ///< online
    std::vector<int> cpu_numbers;
    std::vector<int> memory_nodes;
    std::uint64_t memory_bytes = 0;
    std::string boot_id;
    std::string architecture;  ///< Go's name: amd64, arm64
    std::string machine, kernel_release;
    std::string name;  ///< host name
    linux_::CgroupLayout cgroups;
    oci::KernelVersion kernel;
    bool has_apparmor = false;
    bool has_selinux = false;
    bool has_memory_cgroup = false, has_swap_limit = false, has_pids_cgroup = false,
         has_cpu_cgroup = false, has_cpuset_cgroup = false;
    bool systemd_cgroups = false;  ///< Options::systemd_cgroups

    bool is_cgroup_v2() const { return cgroups.mode == linux_::CgroupMode::v2; }
};

Host detect_host();

/// "0-2,5" -> numbers. Throws invalid_argument.
std::vector<int> parse_number_list(std::string_view text);

}  // namespace hull::engine
