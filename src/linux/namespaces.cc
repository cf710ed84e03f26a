#include "linux/namespaces.hh"

#include "base/error.hh"
#include "base/sys.hh"

#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace hull::linux_ {
namespace {

struct NamespaceName {
    int flag;
    std::string_view file;
};
constexpr NamespaceName namespace_names[] = {
    {CLONE_NEWUSER, "user"},     {CLONE_NEWPID, "pid"},   {CLONE_NEWNET, "net"},
    {CLONE_NEWIPC, "ipc"},       {CLONE_NEWUTS, "uts"},   {CLONE_NEWNS, "mnt"},
    {CLONE_NEWCGROUP, "cgroup"}, {CLONE_NEWTIME, "time"},
};

}  // namespace

Cloned clone_process(std::uint64_t flags, int cgroup) {
    int pidfd = -1;
    clone_args arguments{};
    arguments.flags = flags | CLONE_PIDFD;
    arguments.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
    arguments.exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD;
    if (cgroup >= 0) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = static_cast<std::uint64_t>(cgroup);
    }
    long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid < 0) throw_errno(errno, "clone3 with namespaces {:#x}", flags);
    return {static_cast<pid_t>(pid), Fd(pid == 0 ? -1 : pidfd)};
}

void enter_namespace(int fd, int flags) {
    if (::setns(fd, flags) != 0) throw_errno(errno, "joining namespaces {:#x}", flags);
}

void unshare_namespaces(int flags) {
    if (flags != 0 && ::unshare(flags) != 0) throw_errno(errno, "unshare {:#x}", flags);
}

NamespaceVisit::NamespaceVisit(int namespace_fd, int flag)
    : back_(sys::open(fmt::format("/proc/self/ns/{}", namespace_file(flag)), O_RDONLY)),
      flag_(flag) {
    enter_namespace(namespace_fd, flag);
}

NamespaceVisit::~NamespaceVisit() {
    if (back_) ::setns(back_.get(), flag_);
}

std::string_view namespace_file(int flag) {
    for (const NamespaceName& known : namespace_names)
        if (known.flag == flag) return known.file;
    return "";
}

int find_foreign_namespaces(pid_t pid) {
    int result = 0;
    for (const NamespaceName& known : namespace_names) {
        struct stat ours, theirs;
        if (::stat(fmt::format("/proc/self/ns/{}", known.file).c_str(), &ours) != 0) continue;
        if (::stat(fmt::format("/proc/{}/ns/{}", pid, known.file).c_str(), &theirs) != 0)
            throw_errno(errno, "namespace {} of process {}", known.file, pid);
        if (ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev) result |= known.flag;
    }
    return result;
}

void bring_loopback_up() {
    Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) throw_errno(errno, "socket");
    ifreq request{};
    request.ifr_name[0] = 'l';
    request.ifr_name[1] = 'o';
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0)
        throw_errno(errno, "bringing the loopback interface up");
}

}  // namespace hull::linux_
