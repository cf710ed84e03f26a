#include "base/process.hh"
#include "base/sys.hh"
#include "linux/namespaces.hh"
#include "runtime/container.hh"
#include "runtime/convert.hh"
#include "runtime/launch.hh"
#include "runtime/rootless.hh"

#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace hull::runtime {

Executed exec(const ExecOptions& options) {
    become_undumpable();
    Fd target = find_pidfd(options.init);
    if (!target) throw Error(ErrorKind::not_found, "the container's init is not running");

    InitContext context;
    context.id = options.id.empty() ? std::to_string(options.init) : options.id;
    context.bundle = options.bundle;
    context.process = &options.process;
    context.streams = options.streams;
    context.preserve_descriptors = options.preserve_descriptors;
    context.new_keyring = false;
    context.arguments = options.process.args;
    context.environment = options.process.env;
    context.target_flags = linux_::find_foreign_namespaces(options.init);
    context.has_user_namespace = context.target_flags & CLONE_NEWUSER;
    load_filter_into(context, options.seccomp_filter,
                     options.seccomp ? &*options.seccomp : nullptr);
    context.capabilities = to_capabilities(options.process.capabilities).sets;

    linux_::CgroupLayout layout = linux_::detect_cgroups();
    linux_::Cgroup cgroup = linux_::Cgroup::of_process(layout, options.init);
    if (!options.ignore_paused && cgroup.is_frozen())
        throw Error(ErrorKind::conflict, "cannot exec in a paused container");
    // Without root the container may share our own cgroup.
    const bool joins_cgroup = !linux_::is_rootless() || may_join(cgroup);
    if (joins_cgroup) context.cgroup_files = cgroup.open_join_files(options.sub_cgroup);

    sys::SocketPair pair = sys::socketpair(SOCK_SEQPACKET);
    linux_::Cloned child = [&] {
        const Fd into = joins_cgroup ? cgroup.open_clone_directory(options.sub_cgroup) : Fd();
        std::optional<linux_::NamespaceVisit> visit;
        const int pid_flag = context.target_flags & CLONE_NEWPID;
        context.target_flags &= ~CLONE_NEWPID;
        if (::geteuid() != 0 && context.has_user_namespace) {
            context.target_flags &= ~CLONE_NEWUSER;
            return linux_::clone_inside(target.get(), CLONE_NEWUSER | pid_flag, 0, into.get());
        }
        if (pid_flag) visit.emplace(target.get(), pid_flag);
        return linux_::clone_process(0, into.get());
    }();
    if (child.pid == 0) {
        pair.first.reset();
        context.channel = Channel(std::move(pair.second));
        context.target = std::move(target);
        container_init(context, exec_steps());
    }
    pair.second.reset();
    struct Reaper {
        pid_t pid;
        ~Reaper() {
            if (pid <= 0) return;
            ::kill(pid, SIGKILL);
            ::waitpid(pid, nullptr, 0);
        }
    } reaper{child.pid};
    set_oom_score(child.pid, options.process);
    Channel channel(std::move(pair.first));
    Conversation conversation(channel);
    conversation.wait_until_executed();
    reaper.pid = 0;
    return {child.pid, std::move(child.pidfd), std::move(conversation.terminal)};
}

}  // namespace hull::runtime
