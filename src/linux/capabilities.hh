#pragma once
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hull::linux_ {

/// Bit n is capability number n.
using CapabilitySet = std::uint64_t;

/// The 14 that Docker gives a container.
inline constexpr std::array<std::string_view, 14> docker_default_capabilities = {
    "CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",           "CAP_FOWNER",
    "CAP_MKNOD",   "CAP_NET_RAW",      "CAP_SETGID",           "CAP_SETUID",
    "CAP_SETFCAP", "CAP_SETPCAP",      "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
    "CAP_KILL",    "CAP_AUDIT_WRITE"};

/// Number of `CAP_SYS_ADMIN`, `cap_sys_admin` or `SYS_ADMIN`.
std::optional<int> find_capability(std::string_view name);
/// CAP_…; numbers we have no name for are "CAP_41".
std::string capability_name(int number);
/// The highest one the running kernel has (/proc/sys/kernel/cap_last_cap).
int last_capability();
/// All that the running kernel has.
CapabilitySet all_capabilities();
/// Those of them that this process may still hand on: a machine can run without some of them.
CapabilitySet grantable_capabilities();
std::vector<std::string> list_capability_names();  ///< known here and to the kernel, by number

struct ParsedCapabilities {
    CapabilitySet set = 0;
    std::vector<std::string> unknown;  ///< names this kernel or this program does not have
};
ParsedCapabilities parse_capabilities(std::span<const std::string> names);
std::vector<std::string> capability_names(CapabilitySet set);

struct CapabilitySets {
    CapabilitySet bounding = 0, effective = 0, permitted = 0, inheritable = 0, ambient = 0;
    bool operator==(const CapabilitySets&) const = default;
};
/// Of a process (0: the calling thread), from /proc.
CapabilitySets read_capabilities(pid_t pid = 0);

/// The three steps of becoming the container's user, in this order around setuid(2), because the
/// bounding set can only be cut with CAP_SETPCAP and setuid clears the permitted set:
///   drop_bounding_set(sets.bounding); keep_capabilities(true); setgroups, setgid, setuid;
///   apply_capabilities(sets);
/// apply_capabilities ends with the ambient set (it needs permitted and inheritable) and switches
/// keep-capabilities off again.
void drop_bounding_set(CapabilitySet keep);
void keep_capabilities(bool keep);
void apply_capabilities(const CapabilitySets& sets);

}  // namespace hull::linux_
