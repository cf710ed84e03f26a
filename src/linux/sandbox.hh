#pragma once
#include "base/fd.hh"

#include <sys/types.h>

#include <string>
#include <vector>

namespace hull::linux_ {

/// How a process that reads foreign bytes is locked in.
struct SandboxOptions {
    uid_t uid = 0;                  ///< user and group to become; never root
    int directory = -1;             ///< the only place it may make, read, write and remove files
    bool network = false;           ///< may open connections; otherwise an empty network namespace
    bool listens = false;           ///< with `network`: may also wait for peers
    int first_kept_fd = -1;         ///< descriptors from here on stay open; -1: none
    bool dies_with_parent = false;  ///< killed when the thread that started it ends
    /// Makes, moves and removes directories, too. It keeps its root directory and works in
    /// `directory`, of which it sees nothing outside but what is below the `readable` ones.
    bool keeps_tree = false;
    bool makes_links = false;  ///< with `keeps_tree`: symbolic links and other names of files, too
    std::vector<int> readable = {};
};

/// What held when the sandbox was entered. Root gives all of it; without root the uid stays and
/// the namespace and chroot are missing, which Landlock and seccomp make up for.
struct SandboxReport {
    int landlock_abi = 0;  ///< 0: the kernel has none
    bool own_network_namespace = false;
    bool own_root = false;  ///< chrooted into the directory
};

/// For a process that runs programs of this machine (git) on bytes of strangers in `directory`,
/// with the network: a mount namespace in which `directory` is /tmp, Landlock to it and to the
/// machine's programs and their settings, groups and user dropped, no capabilities, no_new_privs.
/// Needs root. There is no seccomp filter, as nobody knows what calls those programs make. It
/// leaves the process in /tmp.
void enter_tool_sandbox(uid_t uid, int directory);

/// Locks the calling process in for good: descriptors other than 0-3 and `directory` closed, empty
/// network namespace, chroot and Landlock to `directory`, groups and user dropped, no capabilities,
/// no_new_privs, not dumpable, no core files, and a seccomp filter that allows little more than
/// reading, writing and memory (all else fails with EPERM). The process must have one thread;
/// threads made later are locked in as well. Throws when a step fails that the kernel offers.
/// Source: landlock(7), seccomp(2), capabilities(7).
SandboxReport enter_sandbox(const SandboxOptions& options);

}  // namespace hull::linux_
