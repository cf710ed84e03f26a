#include "linux/capabilities.hh"
#include "linux/mount.hh"
#include "linux/process_attributes.hh"
#include "linux/seccomp.hh"
#include "runtime/state.hh"

#include <algorithm>

namespace hull::runtime {
namespace {

const std::vector<std::string> hook_names = {"prestart",       "createRuntime", "createContainer",
                                             "startContainer", "poststart",     "poststop"};
const std::vector<std::string> namespace_names = {"cgroup", "ipc",  "mount", "network",
                                                  "pid",    "time", "user",  "uts"};
/// What runc's `spec` grants.
const std::vector<std::string> spec_capabilities = {"CAP_AUDIT_WRITE", "CAP_KILL",
                                                    "CAP_NET_BIND_SERVICE"};
const std::vector<std::string> masked = {
    "/proc/acpi",          "/proc/asound",     "/proc/kcore",       "/proc/keys",
    "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
    "/sys/firmware",       "/proc/scsi"};
const std::vector<std::string> readonly = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                           "/proc/sysrq-trigger"};

json::Value enabled(bool value) { return json::Object{{"enabled", value}}; }

json::Value strings(std::vector<std::string> words) { return json::Value(words); }

oci::Mount mount(Path destination, std::string type, std::string source,
                 std::vector<std::string> options) {
    return {std::move(destination), std::move(type), std::move(source), std::move(options), {}, {}};
}

}  // namespace

json::Value make_features() {
    json::Object seccomp;
    seccomp.append("enabled", true);
    seccomp.append("actions", strings(linux_::list_seccomp_actions()));
    seccomp.append("operators", strings(linux_::list_seccomp_operators()));
    seccomp.append("archs", strings(linux_::list_seccomp_architectures()));
    seccomp.append("knownFlags", strings(linux_::list_seccomp_flags()));
    seccomp.append("supportedFlags", strings(linux_::list_seccomp_flags()));

    json::Object cgroup;
    cgroup.append("v1", true);
    cgroup.append("v2", true);
    cgroup.append("systemd", true);
    cgroup.append("systemdUser", false);
    cgroup.append("rdma", true);

    json::Object linux_features;
    linux_features.append("namespaces", strings(namespace_names));
    linux_features.append("capabilities", strings(linux_::list_capability_names()));
    linux_features.append("cgroup", cgroup);
    linux_features.append("seccomp", seccomp);
    linux_features.append("apparmor", enabled(linux_::has_apparmor()));
    linux_features.append("selinux", enabled(linux_::has_selinux()));
    linux_features.append("intelRdt", enabled(false));
    linux_features.append("memoryPolicy", json::Object());
    linux_features.append("netDevices", enabled(false));
    linux_features.append("mountExtensions", json::Object{{"idmap", enabled(true)}});
    linux_features["memoryPolicy"] = enabled(false);

    json::Object features;
    features.append("ociVersionMin", "1.0.0");
    features.append("ociVersionMax", "1.3.0");
    features.append("hooks", strings(hook_names));
    features.append("mountOptions", strings(linux_::list_mount_options()));
    features.append("linux", linux_features);
    features.append("potentiallyUnsafeConfigAnnotations", json::Array());
    return features;
}

json::Value make_default_spec(bool rootless) {
    oci::Spec spec;
    spec.root = {"rootfs", true};
    spec.hostname = "hull";
    oci::Process process;
    process.terminal = true;
    process.args = {"sh"};
    process.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                   "TERM=xterm"};
    process.cwd = "/";
    process.capabilities = oci::Capabilities{
        .bounding = spec_capabilities,
        .effective = spec_capabilities,
        .permitted = spec_capabilities,
        .inheritable = {},
        .ambient = {},
    };
    process.rlimits = {{"RLIMIT_NOFILE", 1024, 1024}};
    process.no_new_privileges = true;
    spec.process = process;
    spec.mounts = {
        mount("/proc", "proc", "proc", {}),
        mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
        mount("/dev/pts", "devpts", "devpts",
              {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}),
        mount("/dev/shm", "tmpfs", "shm",
              {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}),
        mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
    };
    if (!rootless) spec.mounts[2].options.push_back("gid=5");
    spec.mounts.push_back(
        rootless ? mount("/sys", "none", "/sys", {"rbind", "nosuid", "noexec", "nodev", "ro"})
                 : mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}));
    if (!rootless)
        spec.mounts.push_back(mount("/sys/fs/cgroup", "cgroup", "cgroup",
                                    {"nosuid", "noexec", "nodev", "relatime", "ro"}));
    spec.linux_.namespaces = {{oci::NamespaceType::pid, {}},
                              {oci::NamespaceType::ipc, {}},
                              {oci::NamespaceType::uts, {}},
                              {oci::NamespaceType::mount, {}},
                              {oci::NamespaceType::cgroup, {}}};
    if (rootless) {
        spec.linux_.namespaces.push_back({oci::NamespaceType::user, {}});
        spec.linux_.uid_mappings = {{0, ::geteuid(), 1}};
        spec.linux_.gid_mappings = {{0, ::getegid(), 1}};
    } else {
        spec.linux_.namespaces.push_back({oci::NamespaceType::network, {}});
        spec.linux_.resources.devices = {{false, "", {}, {}, "rwm"}};
    }
    spec.linux_.masked_paths = masked;
    spec.linux_.readonly_paths = readonly;
    return oci::to_json(spec);
}

}  // namespace hull::runtime
