#pragma once
#include "base/fd.hh"
#include "base/file.hh"

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace hull::linux_ {

struct Cloned {
    pid_t pid = 0;  ///< 0 in the child
    Fd pidfd;
};

/// clone3(2) as fork does it, with CLONE_NEW* flags. `cgroup` is a directory for CLONE_INTO_CGROUP
/// or -1. Only for single-threaded processes: the child goes on with a copy of everything.
Cloned clone_process(std::uint64_t flags, int cgroup = -1);

/// The same after joining namespaces that there is no way back from, by a helper in between: the
/// child is ours all the same. `target` is a user namespace file or a pidfd, `join_flags` which of
/// its namespaces are joined.
Cloned clone_inside(int target, int join_flags, std::uint64_t flags, int cgroup = -1);

/// A new time namespace. `offsets` is the text of /proc/PID/timens_offsets: "monotonic 60 0\n".
/// Throws unsupported on kernels without (before 5.6).
Fd make_time_namespace(const std::string& offsets);

/// True when we are not root of the machine: another uid, or root of a user namespace only.
bool is_rootless();

/// setns(2). `flags` is one CLONE_NEW*, or several when `fd` is a pidfd.
void enter_namespace(int fd, int flags);
void unshare_namespaces(int flags);

/// Joins a namespace while it lives, so that a clone inherits it; the destructor goes back. For pid
/// it is only the namespace of future children. Not for mount and user: no way back from those.
class NamespaceVisit {
public:
    NamespaceVisit(int namespace_fd, int flag);
    NamespaceVisit(NamespaceVisit&& other) noexcept = default;
    NamespaceVisit& operator=(NamespaceVisit&&) = delete;
    ~NamespaceVisit();

private:
    Fd back_;
    int flag_;
};

/// "pid", "net", ... as in /proc/PID/ns, for one CLONE_NEW* flag.
std::string_view namespace_file(int flag);
/// Which of the namespaces of `pid` are not ours: CLONE_NEW* flags.
int find_foreign_namespaces(pid_t pid);

/// Sets the loopback interface of our network namespace up.
void bring_loopback_up();

}  // namespace hull::linux_
