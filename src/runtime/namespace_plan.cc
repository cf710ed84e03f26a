#include "runtime/namespace_plan.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "runtime/convert.hh"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>

#include <utility>

namespace hull::runtime {
namespace {

std::string offsets_text(const oci::Spec& spec) {
    std::string text;
    for (const auto& [clock, offset] : spec.linux_.time_offsets) {
        if (clock != "monotonic" && clock != "boottime")
            throw Error(ErrorKind::invalid_argument,
                        "linux.timeOffsets: clock {:?} has no offset: it is monotonic or boottime",
                        clock);
        text += fmt::format("{} {} {}\n", clock, offset.seconds, offset.nanoseconds);
    }
    return text;
}

void join(NamespacePlan& plan, int flag, const Path& path) {
    Fd target = sys::open(path, O_RDONLY);
    if (flag == CLONE_NEWUSER)
        plan.user_namespace = std::move(target);
    else if (flag == CLONE_NEWNS)
        plan.mount_namespace = std::move(target);
    else if (flag == CLONE_NEWCGROUP)
        plan.cgroup_namespace = std::move(target);
    else
        with_context([&] { plan.visits.emplace_back(target.get(), flag); }, "namespace {}", path);
}

void make(NamespacePlan& plan, int flag, const oci::Spec& spec) {
    if (flag == CLONE_NEWCGROUP)
        plan.new_cgroup = true;      // after the join: its root is where the creator is
    else if (flag == CLONE_NEWTIME)  // offsets can only be set before anybody is in it
        plan.visits.emplace_back(linux_::make_time_namespace(offsets_text(spec)).get(), flag);
    else if (flag == CLONE_NEWNET || flag == CLONE_NEWIPC || flag == CLONE_NEWUTS)
        plan.unshare_flags |= flag;
    else
        plan.clone_flags |= static_cast<std::uint64_t>(flag);
}

}  // namespace

linux_::Cloned NamespacePlan::clone(int cgroup) const {
    return user_namespace
               ? linux_::clone_inside(user_namespace.get(), CLONE_NEWUSER, clone_flags, cgroup)
               : linux_::clone_process(clone_flags, cgroup);
}

NamespacePlan plan_namespaces(const oci::Spec& spec) {
    NamespacePlan plan;
    bool has_mount = false, has_time = false;
    for (const oci::Namespace& space : spec.linux_.namespaces) {
        const int flag = to_clone_flag(space.type);
        has_mount = has_mount || flag == CLONE_NEWNS;
        has_time = has_time || (flag == CLONE_NEWTIME && space.path.empty());
        if (space.path.empty())
            make(plan, flag, spec);
        else
            join(plan, flag, space.path);
    }
    if (!has_mount)
        throw Error(ErrorKind::invalid_argument, "a container needs a mount namespace of its own");
    if (!has_time && !spec.linux_.time_offsets.empty())
        throw Error(ErrorKind::invalid_argument,
                    "linux.timeOffsets needs a new time namespace in linux.namespaces");
    plan.new_network = plan.unshare_flags & CLONE_NEWNET;
    plan.new_user = plan.clone_flags & CLONE_NEWUSER;
    if (plan.cgroup_namespace && plan.has_user())  // init has no right to the host's
        plan.visits.emplace_back(std::exchange(plan.cgroup_namespace, Fd()).get(), CLONE_NEWCGROUP);
    return plan;
}

}  // namespace hull::runtime
