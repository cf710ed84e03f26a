#include "linux/process_attributes.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "linux/cpu_list.hh"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace hull::linux_ {
namespace {

struct RlimitName {
    std::string_view name;
    int resource;
};
constexpr RlimitName rlimit_names[] = {
    {"RLIMIT_AS", RLIMIT_AS},
    {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},
    {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_NPROC", RLIMIT_NPROC},
    {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    {"RLIMIT_RTTIME", RLIMIT_RTTIME},
    {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK},
};

constexpr std::string_view ipc_sysctls[] = {
    "kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem",
    "kernel/shmall", "kernel/shmmax", "kernel/shmmni", "kernel/shm_rmid_forced"};

/// net.ipv4.conf.eth0/1.forwarding keeps its slash: dots separate unless the first separator is
/// one.
std::string sysctl_path(std::string_view name) {
    std::string path(name);
    std::size_t first = path.find_first_of("./");
    if (first != std::string::npos && path[first] == '.')
        for (char& c : path) c = c == '.' ? '/' : c == '/' ? '.' : c;
    return path;
}

/// struct sched_attr of sched_setattr(2); glibc 2.36 does not declare it.
struct SchedulerAttributes {
    std::uint32_t size, policy;
    std::uint64_t flags;
    std::int32_t nice;
    std::uint32_t priority;
    std::uint64_t runtime, deadline, period;
};

}  // namespace

std::optional<int> find_rlimit(std::string_view name) {
    for (const RlimitName& known : rlimit_names)
        if (known.name == name) return known.resource;
    return std::nullopt;
}

bool set_rlimit(int resource, Limits limits) {
    auto kind = static_cast<__rlimit_resource>(resource);
    rlimit wanted{limits.soft, limits.hard};
    if (::setrlimit(kind, &wanted) == 0) return true;
    if (errno != EPERM)
        throw_errno(errno, "setrlimit {} to {}:{}", resource, limits.soft, limits.hard);
    rlimit present;
    if (::getrlimit(kind, &present) != 0) throw_errno(errno, "getrlimit {}", resource);
    present.rlim_cur = std::min<rlim_t>(limits.soft, present.rlim_max);
    if (::setrlimit(kind, &present) != 0) throw_errno(errno, "setrlimit {}", resource);
    return false;
}

void write_proc(int proc, const std::string& path, std::string_view text) {
    // /proc/self is an ordinary link inside procfs; mounts below would be somebody's trick.
    Fd file = sys::openat2(proc, path, O_WRONLY | O_CLOEXEC,
                           RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
    if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        throw_errno(errno, "writing {} to /proc/{}", text, path);
}

std::optional<int> find_sysctl_namespace(std::string_view name) {
    std::string path = sysctl_path(name);
    if (path.starts_with("net/")) return CLONE_NEWNET;
    if (path.starts_with("fs/mqueue/")) return CLONE_NEWIPC;
    if (path == "kernel/domainname" || path == "kernel/hostname") return CLONE_NEWUTS;
    if (std::find(std::begin(ipc_sysctls), std::end(ipc_sysctls), path) != std::end(ipc_sysctls))
        return CLONE_NEWIPC;
    if (path.starts_with("user/")) return CLONE_NEWUSER;
    return std::nullopt;
}

void write_sysctl(int proc, const std::string& name, std::string_view value) {
    with_context([&] { write_proc(proc, "sys/" + sysctl_path(name), value); }, "sysctl {}", name);
}

void join_session_keyring(const std::string& name) {
    long ring = ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.c_str());
    if (ring < 0) {
        if (errno == ENOSYS || errno == EDQUOT || errno == EPERM) return;
        throw_errno(errno, "joining session keyring {}", name);
    }
    // Possessor all, user view, read, search: what runc gives its keyrings.
    ::syscall(SYS_keyctl, KEYCTL_SETPERM, ring, 0x3f1b0000UL);
}

bool has_apparmor() {
    Fd file(::open("/sys/module/apparmor/parameters/enabled", O_RDONLY | O_CLOEXEC));
    char value = 'N';
    return file && ::read(file.get(), &value, 1) == 1 && value == 'Y';
}

void set_apparmor_exec(int proc, const std::string& profile) {
    std::string text = "exec " + profile;
    for (const char* file : {"thread-self/attr/apparmor/exec", "thread-self/attr/exec"}) {
        try {
            return write_proc(proc, file, text);
        } catch (Error& error) {
            if (error.kind() != ErrorKind::not_found) {
                error.add_context("AppArmor profile " + profile);
                throw;
            }
        }
    }
    throw Error(ErrorKind::unsupported, "AppArmor profile {}: this kernel has no AppArmor",
                profile);
}

bool has_selinux() { return ::access("/sys/fs/selinux/enforce", F_OK) == 0; }

void set_selinux_exec(int proc, const std::string& label) {
    if (!has_selinux())
        throw Error(ErrorKind::unsupported, "SELinux label {}: this kernel has no SELinux", label);
    with_context([&] { write_proc(proc, "thread-self/attr/exec", label); }, "SELinux label {}",
                 label);
}

void set_scheduler(const SchedulerSettings& settings) {
    SchedulerAttributes attributes{
        sizeof(SchedulerAttributes), settings.policy,  settings.flags,    settings.nice,
        settings.priority,           settings.runtime, settings.deadline, settings.period};
    if (::syscall(SYS_sched_setattr, 0, &attributes, 0) != 0)
        throw_errno(errno, "setting the scheduler");
}

void set_io_priority(int io_class, int priority) {
    if (::syscall(SYS_ioprio_set, 1, 0, (io_class << 13) | priority) != 0)
        throw_errno(errno, "setting the I/O priority");
}

void set_personality(unsigned long domain) {
    if (::personality(domain) < 0) throw_errno(errno, "setting the personality");
}

void set_cpu_affinity(const std::string& cpu_list) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const unsigned cpu : parse_cpu_list(cpu_list, CPU_SETSIZE)) CPU_SET(cpu, &set);
    if (::sched_setaffinity(0, sizeof set, &set) != 0)
        throw_errno(errno, "setting the CPU affinity to {}", cpu_list);
}

}  // namespace hull::linux_
