#pragma once
#include "base/process.hh"
#include "linux/cgroup.hh"

#include <optional>
#include <string>
#include <string_view>

/// Cgroups that systemd makes for us: one transient scope per container. We write the limits
/// ourselves, as with the cgroupfs driver, and tell systemd the same values as properties, or it
/// would take them back at its next `daemon-reload`. Only on cgroup v2: there a scope with Delegate
/// is ours to write to, and device rules are programs that systemd leaves alone.
/// Source: https://systemd.io/CGROUP_DELEGATION.
namespace hull::linux_ {

/// linux.cgroupsPath in systemd's form.
struct SystemdPath {
    std::string slice, unit;  ///< "machine.slice", "libpod-ID.scope"
    /// Below the v2 mount: "/machine.slice/libpod-ID.scope". Of the system's manager; a user's has
    /// its cgroups elsewhere, `SystemdScope::cgroup_path` knows.
    std::string cgroup_path() const;
};
/// "SLICE:PREFIX:NAME"; an empty slice is system.slice. nullopt when `path` is not of this form,
/// invalid_argument when it is and the slice is none.
std::optional<SystemdPath> find_systemd_path(std::string_view path);
/// The same; any other path throws invalid_argument, an empty one is "system.slice:hull:ID".
SystemdPath parse_systemd_path(std::string_view path, const std::string& id);

/// The directory of a slice below the v2 mount: "a-b.slice" is in "a.slice".
std::string expand_slice(std::string_view slice);

/// A running scope and the process that waits in it: systemd starts no empty one. The destructor
/// ends that process; systemd drops the scope when it is the last.
class SystemdScope {
public:
    /// StartTransientUnit, and waits until the scope is there. Throws unsupported where systemd
    /// does not run or cgroups are not v2 alone; conflict when the unit exists.
    static SystemdScope start(const CgroupLayout& layout, const SystemdPath& path,
                              std::string_view description, const Resources& resources);
    SystemdScope(SystemdScope&& other) noexcept;
    SystemdScope& operator=(SystemdScope&&) = delete;
    ~SystemdScope();

    /// Where systemd put it, below the v2 mount.
    const std::string& cgroup_path() const { return cgroup_path_; }

private:
    explicit SystemdScope(pid_t holder) : holder_(holder) {}
    pid_t holder_ = -1;
    std::string cgroup_path_;
};

/// Throws unsupported where systemd does not run or cgroups are not v2 alone.
void check_systemd(const CgroupLayout& layout);
/// SetUnitProperties: new limits of a running scope, for update.
void set_scope_limits(const std::string& unit, const Resources& resources);
/// Forgets a unit that failed or that lost its cgroup. One that is not there is fine.
void stop_scope(const std::string& unit) noexcept;

/// The properties for `resources`, as an array of (name, variant): type a(sv). For tests.
std::string encode_scope_limits(const Resources& resources);
/// "0-2,5" as AllowedCPUs wants it: one bit per CPU, the first byte has CPU 0 to 7.
std::string make_cpu_mask(std::string_view list);

}  // namespace hull::linux_
