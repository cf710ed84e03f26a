#include "runtime/init.hh"

#include <unistd.h>

#include <exception>

namespace hull::runtime {
namespace {

constexpr int init_failed = 125;

constexpr InitStep create_table[] = {
    {"waiting for id maps", wait_for_id_maps},  // until then we are nobody
    {"opening /proc", open_host_proc},          // the host's, while we still see it
    {"becoming root of the namespace", become_namespace_root},
    {"making namespaces", make_namespaces},
    {"starting a session", start_session},
    {"joining a session keyring", join_keyring},
    {"bringing up the loopback interface", bring_up_loopback},
    {"setting mount propagation", set_root_propagation},  // or every mount below leaks to the host
    {"mounting the rootfs", mount_rootfs},
    {"joining the cgroup", join_cgroup},  // and its namespace, whose root it is
    {"mounting", mount_filesystems},      // shows the cgroup
    {"mounting the init program", mount_init_program},
    {"making devices", make_devices},
    {"making the working directory", make_working_directory},
    {"running hooks", run_create_hooks},  // they may still change the mounts
    {"pivoting root", pivot_into_rootfs},
    {"opening the terminal", open_terminal},  // from the container's own devpts
    {"setting the hostname", set_hostname},
    {"setting sysctls", set_sysctls},  // before /proc/sys becomes read-only
    {"finishing mounts", finish_mounts},
    {"masking paths", mask_paths},
    {"finding the user", find_user},  // in the container's own /etc/passwd
    {"setting limits", set_limits},   // raising one needs CAP_SYS_RESOURCE
    {"setting the scheduler", set_scheduling},
    {"setting the security label", set_security_labels},
    {"setting standard streams", set_streams},
    {"setting no_new_privs", set_no_new_privs},
    {"loading seccomp early", load_seccomp_early},  // no_new_privs off: needs CAP_SYS_ADMIN
    {"becoming the user", become_user},             // and dropping capabilities
    {"entering the working directory", enter_working_directory},
    {"finding the executable", find_program},    // a bad path must fail create, not start
    {"closing descriptors", close_descriptors},  // CVE-2024-21626
    {"waiting for start", wait_for_start},
    {"running start hooks", run_start_hooks},
    {"loading seccomp late", load_seccomp_late},  // after all that the filter may forbid
    {"executing", exec_process},
};

constexpr InitStep exec_table[] = {
    {"opening /proc", open_host_proc},
    {"joining the cgroup", join_cgroup},
    {"joining the namespaces", join_namespaces},
    {"becoming root of the namespace", become_namespace_root},
    {"starting a session", start_session},
    {"joining a session keyring", join_keyring},
    {"opening the terminal", open_terminal},
    {"finding the user", find_user},
    {"setting limits", set_limits},
    {"setting the scheduler", set_scheduling},
    {"setting the security label", set_security_labels},
    {"setting standard streams", set_streams},
    {"setting no_new_privs", set_no_new_privs},
    {"loading seccomp early", load_seccomp_early},
    {"becoming the user", become_user},
    {"entering the working directory", enter_working_directory},
    {"finding the executable", find_program},
    {"closing descriptors", close_descriptors},
    {"loading seccomp late", load_seccomp_late},
    {"executing", exec_process},
};

Message failure(const char* step) {
    try {
        throw;
    } catch (const LaunchError& error) {  // says all there is to say
        return {MessageType::failed, error.kind(), error.exit_code, error.message(), {}};
    } catch (const Error& error) {
        return {MessageType::failed,
                error.kind(),
                125,
                fmt::format("{}: {}", step, error.message()),
                {}};
    } catch (const std::exception& error) {
        return {MessageType::failed,
                ErrorKind::internal,
                125,
                fmt::format("{}: {}", step, error.what()),
                {}};
    }
}

void report(const InitContext& context, const char* step) noexcept {
    try {
        context.channel.send(failure(step));
    } catch (const std::exception&) {  // the runtime is gone: nobody to tell
    }
}

}  // namespace

std::span<const InitStep> create_steps() { return create_table; }
std::span<const InitStep> exec_steps() { return exec_table; }

void container_init(InitContext& context, std::span<const InitStep> steps) noexcept {
    for (const InitStep& step : steps) {
        try {
            step.run(context);
        } catch (...) {
            report(context, step.name);
            break;
        }
    }
    ::_exit(init_failed);
}

}  // namespace hull::runtime
