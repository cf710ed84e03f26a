#pragma once
#include "base/error.hh"
#include "base/fd.hh"
#include "base/file.hh"
#include "linux/cgroup.hh"
#include "linux/overlay.hh"
#include "oci/runtime_spec.hh"

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hull::runtime {

/// A launch that failed. `exit_code` is what the container's "exit code" becomes: 127 when the
/// program was not found, 126 when it cannot be executed, 125 when it is our or the host's fault.
class LaunchError : public Error {
public:
    LaunchError(ErrorKind error_kind, int code, std::string_view text)
        : Error(error_kind, "{}", text), exit_code(code) {}
    int exit_code;
};

/// Descriptors that become 0, 1 and 2 of the process; they stay the caller's. -1: /dev/null.
/// Ignored for a terminal.
struct StandardStreams {
    int input = 0, output = 1, error = 2;
};

struct WindowSize {
    unsigned short rows = 0, columns = 0;  ///< 0: left as the kernel makes it
};

struct CreateOptions {
    std::string id;
    /// linux.cgroupsPath is the cgroup path ("/hull/<id>"); empty: "/<id>".
    oci::Spec spec;
    Path bundle;  ///< absolute; relative paths of the spec start here
    /// What bundle/rootfs (root.path, an existing directory) gets mounted; absent: root.path as is.
    std::optional<linux_::OverlayPlan> rootfs;
    /// Mounts of the plan's layers that the caller shares between containers, so that they share
    /// the page cache too. Empty: they are mounted here.
    std::vector<Fd> layers;
    StandardStreams streams;
    /// A file of raw `struct sock_filter`, instead of compiling spec.linux.seccomp.
    Path seccomp_filter;
    /// hull-init, mounted at /sbin/docker-init and put in front of the arguments.
    Path init_program;
    /// How many inherited descriptors from 3 on stay open in the process (LISTEN_FDS).
    int preserve_descriptors = 0;
    bool no_pivot = false;
    bool no_new_keyring = false;
    /// Cgroups that are not ours to make are done without. Absent: when we are not root of the
    /// machine.
    std::optional<bool> rootless;
    /// linux.cgroupsPath is "SLICE:PREFIX:NAME", and systemd makes the cgroup.
    bool systemd_cgroup = false;
    /// A listening SEQPACKET socket. With it the process waits for a connection there instead of
    /// for `start()`, so that another program can start it (`start_created`).
    Fd start_socket;
};

/// A created container. Its init is our child: the caller reaps it (pidfd or SIGCHLD).
/// The destructor kills and reaps an init that was never started, and removes its cgroup.
class Container {
public:
    Container(Container&&) noexcept;
    Container& operator=(Container&&) noexcept;
    ~Container();

    pid_t pid() const;
    int pidfd() const;
    /// Field 22 of /proc/PID/stat.
    unsigned long long start_time() const;
    const linux_::Cgroup& cgroup() const;
    /// For `Cgroup::open`; empty when the container has none of its own (started without root).
    const std::string& cgroup_path() const;
    /// Master side of the terminal; empty without process.terminal or once taken.
    Fd take_terminal();
    void give_terminal(Fd terminal);  ///< back again, for a later `take_terminal`
    /// Lets init execute the program, and runs the startContainer and poststart hooks. Blocks until
    /// the execve succeeded. Throws LaunchError when it failed: init is gone and reaped then.
    void start();
    /// Leaves init waiting for `start_socket`: the destructor no longer ends it.
    void detach();

private:
    friend class Creation;
    struct State;
    explicit Container(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// Makes the cgroup and the namespaces, mounts the root file system, runs the createRuntime and
/// createContainer hooks, becomes the user, finds the executable, and leaves init waiting.
/// Must be called from a single-threaded process, which becomes non-dumpable.
/// Throws LaunchError; nothing is left then.
Container create(CreateOptions options);

/// Connects to a start_socket: starts a container created by another process. Throws LaunchError.
void start_created(const Path& start_socket);

struct ExecOptions {
    pid_t init = 0;  ///< whose namespaces and cgroup are joined; must not be a zombie
    oci::Process process;
    StandardStreams streams;
    Path seccomp_filter;  ///< raw sock_filter file; empty: `seccomp`
    std::optional<oci::Seccomp> seccomp;
    /// Put below the cgroup of init ("sub/group"); usually empty.
    Path sub_cgroup;
    int preserve_descriptors = 0;
    bool ignore_paused = false;
    std::string id;  ///< of the container, for messages and a seccomp agent
    Path bundle;
};

struct Executed {
    pid_t pid = 0;  ///< our child: the caller reaps it
    Fd pidfd;
    Fd terminal;  ///< master side, with process.terminal
};

/// Runs a further process in the container of `init`. Blocks until its execve succeeded.
/// Same demands on the caller as `create`. Throws LaunchError; nothing is left then.
Executed exec(const ExecOptions& options);

/// Runs the poststart hooks, after `start_created`; failures are logged.
void run_poststart_hooks(const oci::Spec& spec, const std::string& id, const Path& bundle,
                         pid_t pid);
/// Runs the poststop hooks; failures are logged. `pid` is 0 as the process is gone.
void run_poststop_hooks(const oci::Spec& spec, const std::string& id, const Path& bundle);

/// Sets the window size of a terminal's master side.
void resize_terminal(int master, WindowSize size);

/// The running program's own file must never be writable from inside a container through
/// /proc/PID/exe (CVE-2019-5736). Call first in main(): when the executable is reached through a
/// writable mount this re-executes it through a read-only, detached bind of the same file, with
/// `arguments` and the environment unchanged; otherwise it costs one statfs. Programs that start
/// many shims open theirs with `open_protected` once and spawn /proc/self/fd/N.
void protect_own_executable(char** arguments);
/// Opens `program` through a read-only detached mount. O_CLOEXEC; keep it open across the spawn.
Fd open_protected(const Path& program);

}  // namespace hull::runtime
