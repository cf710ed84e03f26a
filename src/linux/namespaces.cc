#include "linux/namespaces.hh"

#include "base/error.hh"
#include "base/process.hh"
#include "base/sys.hh"

#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <span>

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

namespace {

/// What the helper of `clone_inside` answers: the child's pid, or a message.
struct Answer {
    pid_t pid = -1;
    std::array<char, 240> complaint{};
};

Cloned answer_from_inside(int target, int join_flags, std::uint64_t flags, int cgroup,
                          int answers) {
    Answer answer;
    try {
        enter_namespace(target, join_flags);
        Cloned inner = clone_process(flags | CLONE_PARENT, cgroup);
        if (inner.pid == 0) return inner;
        answer.pid = inner.pid;
    } catch (const Error& error) {
        error.message().copy(answer.complaint.data(), answer.complaint.size() - 1);
    }
    [[maybe_unused]] const auto written = ::write(answers, &answer, sizeof answer);
    ::_exit(0);
}

}  // namespace

Cloned clone_inside(int target, int join_flags, std::uint64_t flags, int cgroup) {
    sys::Pipe pipe = sys::pipe();
    Cloned helper = clone_process(0);
    if (helper.pid == 0)
        return answer_from_inside(target, join_flags, flags, cgroup, pipe.write_end.get());
    pipe.write_end.reset();
    Answer answer;
    const std::size_t size =
        sys::read_full(pipe.read_end.get(), std::as_writable_bytes(std::span(&answer, 1)));
    while (::waitpid(helper.pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    if (size != sizeof answer)
        throw Error(ErrorKind::internal, "the helper that joins namespaces was killed");
    if (answer.pid < 0) throw Error(ErrorKind::forbidden, "{}", answer.complaint.data());
    return {answer.pid, find_pidfd(answer.pid)};
}

Fd make_time_namespace(const std::string& offsets) {
    Fd back(::open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC));
    if (!back) throw Error(ErrorKind::unsupported, "this kernel has no time namespaces");
    unshare_namespaces(CLONE_NEWTIME);  // for children: we stay where we are
    Fd made = sys::open("/proc/self/ns/time_for_children", O_RDONLY);
    if (!offsets.empty()) {
        const Fd file = sys::open("/proc/self/timens_offsets", O_WRONLY);
        if (::write(file.get(), offsets.data(), offsets.size()) < 0)
            throw_errno(errno, "setting the offsets of a time namespace");
    }
    enter_namespace(back.get(), CLONE_NEWTIME);
    return made;
}

bool is_rootless() {
    if (::geteuid() != 0) return true;
    // The initial user namespace maps every id to itself.
    std::string map = find_file("/proc/self/uid_map").value_or("");
    map.erase(std::remove(map.begin(), map.end(), ' '), map.end());
    return !map.empty() && map != "004294967295\n";
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
