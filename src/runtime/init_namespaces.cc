#include "base/sys.hh"
#include "linux/namespaces.hh"
#include "linux/process_attributes.hh"
#include "runtime/convert.hh"
#include "runtime/init.hh"

#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>

namespace hull::runtime {
namespace {

bool has_new_or_joined(const oci::Spec& spec, int flag) {
    for (const oci::Namespace& space : spec.linux_.namespaces)
        if (to_clone_flag(space.type) == flag) return true;
    return false;
}

}  // namespace

void wait_for_id_maps(InitContext& context) {
    if (!context.maps_ids) return;
    // The maps are in files of ours, and those of an undumpable process belong to root.
    std::optional<Message> message = context.channel.receive();
    if (!message || message->type != MessageType::id_maps_written)
        throw Error(ErrorKind::cancelled, "the runtime went away");
}

void become_namespace_root(InitContext& context) {
    if (!context.has_user_namespace) return;
    if (::setgroups(0, nullptr) != 0 && errno != EPERM) throw_errno(errno, "setgroups");
    if (::setresgid(0, 0, 0) != 0) throw_errno(errno, "setresgid 0");
    if (::setresuid(0, 0, 0) != 0) throw_errno(errno, "setresuid 0");
    // Changing ids made us undumpable for good measure; stay so until execve.
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void join_cgroup(InitContext& context) {
    if (context.late_cgroup) {
        std::optional<Message> message = context.channel.receive();
        if (!message || message->type != MessageType::cgroup_made)
            throw Error(ErrorKind::cancelled, "the runtime went away");
        context.cgroup_files = context.late_cgroup->open_join_files();
    }
    linux_::Cgroup::join(context.cgroup_files);
    context.cgroup_files.clear();
    if (context.new_cgroup_namespace) linux_::unshare_namespaces(CLONE_NEWCGROUP);
    if (context.cgroup_namespace)
        linux_::enter_namespace(context.cgroup_namespace.get(), CLONE_NEWCGROUP);
}

void make_namespaces(InitContext& context) {
    linux_::unshare_namespaces(context.unshare_flags);
    if (context.mount_namespace)
        linux_::enter_namespace(context.mount_namespace.get(), CLONE_NEWNS);
}

void join_namespaces(InitContext& context) {
    linux_::enter_namespace(context.target.get(), context.target_flags);
    context.target.reset();
    context.root = sys::open("/", O_PATH | O_DIRECTORY);
}

void start_session(InitContext&) {
    // EPERM: we lead one already.
    if (::setsid() < 0 && errno != EPERM) throw_errno(errno, "setsid");
}

void join_keyring(InitContext& context) {
    if (context.new_keyring) linux_::join_session_keyring("_ses." + context.id);
}

void bring_up_loopback(InitContext& context) {
    if (context.new_network) linux_::bring_loopback_up();
}

void set_hostname(InitContext& context) {
    const oci::Spec& spec = *context.spec;
    if (!spec.hostname.empty() && ::sethostname(spec.hostname.data(), spec.hostname.size()) != 0)
        throw_errno(errno, "sethostname {}", spec.hostname);
    if (!spec.domainname.empty() &&
        ::setdomainname(spec.domainname.data(), spec.domainname.size()) != 0)
        throw_errno(errno, "setdomainname {}", spec.domainname);
}

void set_sysctls(InitContext& context) {
    for (const auto& [name, value] : context.spec->linux_.sysctl) {
        std::optional<int> needed = linux_::find_sysctl_namespace(name);
        if (!needed)
            throw Error(ErrorKind::invalid_argument,
                        "sysctl {} is not in a separate kernel namespace", name);
        if (!has_new_or_joined(*context.spec, *needed))
            throw Error(
                ErrorKind::invalid_argument,
                "sysctl {} would change the host: the container has no {} namespace of its own",
                name, linux_::namespace_file(*needed));
        linux_::write_sysctl(context.proc.get(), name, value);
    }
}

}  // namespace hull::runtime
