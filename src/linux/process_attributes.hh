#pragma once
#include "base/fd.hh"
#include "base/file.hh"

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// What one process can set on itself. `proc` is a descriptor of a /proc that no container could
/// mount over (CVE-2025-52881): the host's, opened before any pivot.
namespace hull::linux_ {

/// RLIMIT_NOFILE and its kin by name.
std::optional<int> find_rlimit(std::string_view name);
struct Limits {
    std::uint64_t soft = 0, hard = 0;
};
/// False when raising the hard limit is not permitted (no CAP_SYS_RESOURCE); then the soft limit is
/// raised as far as the present hard limit goes.
bool set_rlimit(int resource, Limits limits);

/// Writes below `proc`, without following links or crossing mounts. Throws with the path.
void write_proc(int proc, const std::string& path, std::string_view text);

/// The CLONE_NEW* flag of the namespace that `name` ("net.core.somaxconn", also with slashes)
/// belongs to, nullopt when it belongs to the whole machine.
std::optional<int> find_sysctl_namespace(std::string_view name);
void write_sysctl(int proc, const std::string& name, std::string_view value);

/// A fresh session keyring with this name; its key is searchable for the owner only. Kernels
/// without keyrings and full quotas are ignored: nothing depends on it.
void join_session_keyring(const std::string& name);

/// The profile that the next execve changes to; kernels without AppArmor throw unsupported.
void set_apparmor_exec(int proc, const std::string& profile);
bool has_apparmor();
/// The same for SELinux.
void set_selinux_exec(int proc, const std::string& label);
bool has_selinux();

struct SchedulerSettings {
    std::uint32_t policy = 0;
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime = 0, deadline = 0, period = 0;
};
void set_scheduler(const SchedulerSettings& settings);
/// `io_class` 1 real-time, 2 best effort, 3 idle.
void set_io_priority(int io_class, int priority);
void set_personality(unsigned long domain);
/// "0-2,5"
void set_cpu_affinity(const std::string& cpu_list);

}  // namespace hull::linux_
