#pragma once
#include "base/fd.hh"
#include "linux/capabilities.hh"
#include "linux/cgroup.hh"
#include "linux/idmap.hh"
#include "runtime/channel.hh"
#include "runtime/container.hh"

#include <linux/filter.h>

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

/// The cloned child: everything between clone3 and execve, for the first process of a container
/// (`create`) and for later ones (`exec`).
namespace hull::runtime {

/// What the steps work on. The runtime fills it before the clone; the child has a copy.
struct InitContext {
    std::string id;
    const oci::Spec* spec = nullptr;  ///< null for exec
    const oci::Process* process = nullptr;
    Path bundle;
    Channel channel;

    // Namespaces
    int unshare_flags = 0;  ///< made by the child while the runtime is busy elsewhere
    bool has_user_namespace = false, maps_ids = false;
    bool new_network = false;
    Fd mount_namespace;  ///< to be joined
    Fd target;           ///< pidfd whose namespaces are joined (exec)
    int target_flags = 0;
    std::vector<Fd> cgroup_files;
    /// Made while init works: a message says when it can be joined. Null: `cgroup_files` are there.
    const linux_::Cgroup* late_cgroup = nullptr;
    bool new_cgroup_namespace = false;
    /// Joined last: where systemd mounts v2 with nsdelegate nobody in it could move to its cgroup.
    Fd cgroup_namespace;
    std::vector<linux_::Cgroup::Directory> cgroup_directories;
    linux_::CgroupMode cgroup_mode = linux_::CgroupMode::v1;

    // Root file system
    std::optional<linux_::OverlayPlan> overlay;
    std::vector<Fd> layers;  ///< of the overlay, mounted before the devices cgroup is joined
    Path rootfs;             ///< absolute mount point
    Fd root_mount;           ///< already made by the runtime (user namespaces)
    std::map<std::size_t, Fd> sources;  ///< bind sources opened by the runtime, by mount index
    Path init_program;
    bool no_pivot = false;
    Fd root;  ///< root directory of the container
    Fd proc;  ///< the host's /proc: nothing in the container can be mounted over it
    std::vector<Fd> later_readonly;  ///< mounts that things are still made in

    // Process
    StandardStreams streams;
    Fd terminal_slave;
    int preserve_descriptors = 0;
    bool new_keyring = true;
    std::vector<sock_filter> filter;
    unsigned filter_flags = 0;
    Path seccomp_listener;
    std::string seccomp_metadata;
    oci::User user;  ///< process.user with its names resolved
    linux_::CapabilitySets capabilities;
    std::vector<std::string> environment;
    std::vector<std::string> arguments;
    Path executable;
    Fd start_socket;
};

struct InitStep {
    const char* name;
    void (*run)(InitContext&);
};

/// Order is the contract: each step needs what the steps above it set up.
std::span<const InitStep> create_steps();
std::span<const InitStep> exec_steps();

/// First code of the cloned child. Leaves only by execve or _exit: the frames below are copies of
/// the runtime's, and their destructors would undo the runtime's own work.
[[noreturn]] void container_init(InitContext& context, std::span<const InitStep> steps) noexcept;

// The steps, one file per subject. init_namespaces.cc:
void wait_for_id_maps(InitContext& context);
void become_namespace_root(InitContext& context);
void join_cgroup(InitContext& context);
void make_namespaces(InitContext& context);
void join_namespaces(InitContext& context);
void start_session(InitContext& context);
void join_keyring(InitContext& context);
void bring_up_loopback(InitContext& context);
void set_hostname(InitContext& context);
void set_sysctls(InitContext& context);
// init_mounts.cc:
void open_host_proc(InitContext& context);
void set_root_propagation(InitContext& context);
void mount_rootfs(InitContext& context);
void mount_filesystems(InitContext& context);
void mount_init_program(InitContext& context);
void pivot_into_rootfs(InitContext& context);
void finish_mounts(InitContext& context);
void mask_paths(InitContext& context);
// init_devices.cc:
void make_devices(InitContext& context);
void open_terminal(InitContext& context);
void set_streams(InitContext& context);
// init_hooks.cc
void run_create_hooks(InitContext& context);
void run_start_hooks(InitContext& context);
// init_process.cc:
void set_limits(InitContext& context);
void set_security_labels(InitContext& context);
void set_scheduling(InitContext& context);
void make_working_directory(InitContext& context);
void set_no_new_privs(InitContext& context);
void load_seccomp_early(InitContext& context);
void find_user(InitContext& context);
void become_user(InitContext& context);
void enter_working_directory(InitContext& context);
void find_program(InitContext& context);
void wait_for_start(InitContext& context);
void close_descriptors(InitContext& context);
void load_seccomp_late(InitContext& context);
void exec_process(InitContext& context);

}  // namespace hull::runtime
