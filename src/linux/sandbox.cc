#include "linux/sandbox.hh"

#include "base/error.hh"
#include "base/fd.hh"
#include "linux/landlock.hh"

#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstddef>
#include <initializer_list>
#include <vector>

namespace hull::linux_ {

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t native_architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t native_architecture = AUDIT_ARCH_AARCH64;
#else
#error "no system call table for this architecture"
#endif

constexpr int allowed_calls[] = {
    // Streams and files. What openat may open is Landlock's and the chroot's business.
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_pread64,
    SYS_pwrite64,
    SYS_preadv,
    SYS_pwritev,
    SYS_close,
    SYS_lseek,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_openat,
    SYS_unlinkat,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_fsync,
    SYS_fdatasync,
    SYS_sync_file_range,
    SYS_getdents64,
    SYS_fstatfs,
    SYS_copy_file_range,
    SYS_fcntl,
    SYS_dup,
    SYS_dup3,
    SYS_pipe2,
    SYS_ppoll,
    SYS_sendfile,
#if defined(__x86_64__)
    SYS_poll,
#endif
    // Memory.
    SYS_brk,
    SYS_mmap,
    SYS_munmap,
    SYS_mremap,
    SYS_mprotect,
    SYS_madvise,
    // Threads of this process and their waiting. clone is looked at below.
    SYS_futex,
    SYS_set_robust_list,
    SYS_rseq,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_gettid,
    SYS_getpid,
    SYS_tgkill,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_membarrier,
    SYS_restart_syscall,
    // Time and chance.
    SYS_clock_gettime,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_getrandom,
    // The end.
    SYS_exit,
    SYS_exit_group,
};

/// What a client needs; it neither listens nor speaks to sockets of this machine's programs.
/// socket is looked at below.
constexpr int network_calls[] = {
    SYS_connect, SYS_getsockname, SYS_getpeername, SYS_setsockopt, SYS_getsockopt,
    SYS_sendto,  SYS_recvfrom,    SYS_sendmsg,     SYS_recvmsg,    SYS_shutdown,
};

/// What a server needs beside.
constexpr int listen_calls[] = {
    SYS_bind,       SYS_accept4,       SYS_socketpair, SYS_sendmmsg,
    SYS_eventfd2,   SYS_epoll_create1, SYS_epoll_ctl,  SYS_epoll_pwait,
#if defined(__x86_64__)
    SYS_epoll_wait,
#endif
};

/// What keeps a tree of files needs.
constexpr int tree_calls[] = {
    SYS_mkdirat,
    SYS_renameat2,
    SYS_renameat,
    SYS_utimensat,
    SYS_flock,
    SYS_fchmod,
    SYS_uname,
    SYS_sysinfo,
    SYS_prlimit64,
#if defined(__x86_64__)
    // glibc calls the older ones by these names.
    SYS_mkdir,
    SYS_rmdir,
    SYS_unlink,
    SYS_rename,
#endif
};

/// What makes trees as others have them needs beside.
constexpr int link_calls[] = {
    SYS_symlinkat, SYS_linkat, SYS_readlinkat, SYS_fchmodat, SYS_openat2,
};

constexpr sock_filter load(std::uint32_t offset) {
    return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset);
}
constexpr sock_filter answer(std::uint32_t value) { return BPF_STMT(BPF_RET | BPF_K, value); }
/// Runs the next instruction only when the loaded value is `value`.
constexpr sock_filter unless_skip_one(std::uint32_t value) {
    return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
}

/// The low half of argument 0: both machines are little-endian.
constexpr std::uint32_t argument_0 = offsetof(seccomp_data, args);

std::vector<sock_filter> make_filter(const SandboxOptions& options) {
    std::vector<sock_filter> filter {
        load(offsetof(seccomp_data, arch)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, native_architecture, 1, 0),
            answer(SECCOMP_RET_KILL_PROCESS), load(offsetof(seccomp_data, nr)),
#if defined(__x86_64__)
            // x32 calls have other numbers with bit 30 set.
            BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1), answer(SECCOMP_RET_KILL_PROCESS),
#endif
    };
    const auto allow = [&](int call) {
        filter.push_back(unless_skip_one(static_cast<std::uint32_t>(call)));
        filter.push_back(answer(SECCOMP_RET_ALLOW));
    };
    for (const int call : allowed_calls) allow(call);
    if (options.network) {
        for (const int call : network_calls) allow(call);
        if (options.listens)
            for (const int call : listen_calls) allow(call);
        filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 5));
        filter.push_back(load(argument_0));
        filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 1, 0));
        filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1));
        filter.push_back(answer(SECCOMP_RET_ALLOW));
        filter.push_back(answer(SECCOMP_RET_ERRNO | EACCES));
    }
    if (options.keeps_tree)
        for (const int call : tree_calls) allow(call);
    if (options.makes_links)
        for (const int call : link_calls) allow(call);
    // clone3 keeps its flags where a filter cannot look; libc falls back to clone on ENOSYS.
    filter.push_back(unless_skip_one(SYS_clone3));
    filter.push_back(answer(SECCOMP_RET_ERRNO | ENOSYS));
    // clone makes threads, not processes.
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3));
    filter.push_back(load(argument_0));
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1));
    filter.push_back(answer(SECCOMP_RET_ALLOW));
    filter.push_back(answer(SECCOMP_RET_ERRNO | EPERM));
    return filter;
}

void install_filter(const SandboxOptions& options) {
    std::vector<sock_filter> filter = make_filter(options);
    const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
        throw_errno(errno, "loading the sandbox's seccomp filter");
}

void close_range(unsigned first, unsigned last) {
    if (first <= last && ::syscall(SYS_close_range, first, last, 0U) != 0 && errno != ENOSYS)
        throw_errno(errno, "closing descriptors");
}

/// All but 0-3, the directory, and those from `first_kept` on (-1: none).
void close_descriptors(int directory, int first_kept) {
    const unsigned last = first_kept < 0 ? ~0U : static_cast<unsigned>(first_kept) - 1;
    const auto kept = static_cast<unsigned>(directory);
    if (kept < 4 || kept > last) return close_range(4, last);
    close_range(4, kept - 1);
    close_range(kept + 1, last);
}

void drop_user(uid_t uid) {
    // Before setresuid, which takes the capability for it.
    for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability)
        if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0)
            throw_errno(errno, "dropping capability {}", capability);
    if (::setgroups(0, nullptr) != 0) throw_errno(errno, "dropping groups");
    if (::setresgid(uid, uid, uid) != 0) throw_errno(errno, "becoming group {}", uid);
    if (::setresuid(uid, uid, uid) != 0) throw_errno(errno, "becoming user {}", uid);
}

void drop_capabilities() {
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct none[2] = {};
    if (::syscall(SYS_capset, &header, none) != 0) throw_errno(errno, "dropping capabilities");
}

}  // namespace

SandboxReport enter_sandbox(const SandboxOptions& options) {
    if (options.uid == 0)
        throw Error(ErrorKind::invalid_argument, "a sandbox needs a user other than root");
    SandboxReport report;
    const bool is_root = ::geteuid() == 0;
    if (is_root) {
        if (!options.network) report.own_network_namespace = ::unshare(CLONE_NEWNET) == 0;
        if (!options.keeps_tree && (::fchdir(options.directory) != 0 || ::chroot(".") != 0))
            throw_errno(errno, "changing the root to the sandbox's directory");
        report.own_root = !options.keeps_tree;
    }
    if (options.keeps_tree && ::fchdir(options.directory) != 0)
        throw_errno(errno, "changing to the sandbox's directory");
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw_errno(errno, "setting no_new_privs");
    if (is_root) drop_user(options.uid);
    drop_capabilities();
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (options.dies_with_parent) {  // after the change of user, which clears it
        ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        if (::getppid() == 1) throw Error(ErrorKind::cancelled, "whoever started it is gone");
    }
    constexpr rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    report.landlock_abi =
        options.keeps_tree
            ? restrict_to_tree(options.directory, options.readable, options.makes_links)
            : restrict_to_directory(options.directory, options.network);
    close_descriptors(options.directory, options.first_kept_fd);
    install_filter(options);
    return report;
}

void enter_tool_sandbox(uid_t uid, int directory) {
    if (uid == 0 || ::geteuid() != 0)
        throw Error(ErrorKind::invalid_argument, "root enters this sandbox to become another user");
    if (::unshare(CLONE_NEWNS) != 0) throw_errno(errno, "making a mount namespace");
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        throw_errno(errno, "making mounts private");
    // By its name: a descriptor stands for a mount of the namespace before this one.
    char path[PATH_MAX];
    const ssize_t size =
        ::readlink(fmt::format("/proc/self/fd/{}", directory).c_str(), path, sizeof path - 1);
    if (size < 0) throw_errno(errno, "the sandbox's directory");
    path[size] = '\0';
    if (::mount(path, "/tmp", nullptr, MS_BIND, nullptr) != 0)
        throw_errno(errno, "mounting the sandbox's directory");
    if (::chdir("/tmp") != 0) throw_errno(errno, "changing to the sandbox's directory");
    std::vector<Fd> opened;
    std::vector<int> tools;
    for (const char* tree : {"/usr", "/bin", "/lib", "/lib64", "/etc", "/run/systemd/resolve"}) {
        Fd fd(::open(tree, O_PATH | O_CLOEXEC));
        if (!fd) continue;
        tools.push_back(fd.get());
        opened.push_back(std::move(fd));
    }
    std::vector<int> devices;
    for (const char* device : {"/dev/null", "/dev/urandom"}) {
        Fd fd(::open(device, O_PATH | O_CLOEXEC));
        if (!fd) throw_errno(errno, "{}", device);
        devices.push_back(fd.get());
        opened.push_back(std::move(fd));
    }
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw_errno(errno, "setting no_new_privs");
    drop_user(uid);
    drop_capabilities();
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    constexpr rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    restrict_to_tools(directory, tools, devices);
}

}  // namespace hull::linux_
