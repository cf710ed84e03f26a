#include "files/view.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "linux/mount.hh"
#include "linux/namespaces.hh"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>

namespace hull::files {

namespace {

/// An overlay shows the topmost layer's root as its own.
void copy_root_metadata(const Path& from, const Path& to) {
    const auto info = sys::find_stat(from);
    if (!info) throw_errno(ENOENT, "{}", from);
    const std::array<struct timespec, 2> times{info->st_atim, info->st_mtim};
    if (::chown(to.c_str(), info->st_uid, info->st_gid) != 0 ||
        ::chmod(to.c_str(), info->st_mode & 07777) != 0 ||
        ::utimensat(AT_FDCWD, to.c_str(), times.data(), 0) != 0)
        throw_errno(errno, "preparing {}", to);
}

/// Volumes and binds where they are; one whose source has gone is left out.
void attach_mounts(const Request& request, int root) {
    for (const BindMount& mount : request.mounts) {
        const Fd source(::open(mount.source.c_str(), O_PATH | O_CLOEXEC));
        if (!source) continue;
        with_context(
            [&] {
            const Fd tree = linux_::clone_tree(source.get(), "", mount.recursive);
            if (mount.read_only)
                linux_::set_mount_attributes(tree.get(), {MOUNT_ATTR_RDONLY, 0}, mount.recursive);
            const bool is_directory = S_ISDIR(sys::fstat(source.get()).st_mode);
            const Fd target = linux_::open_destination(root, mount.destination, is_directory);
            linux_::attach_mount(tree.get(), target.get());
            },
            "mounting {} on {}", mount.source, mount.destination);
    }
}

}  // namespace

Path make_scratch(const Request& request) {
    const Fd target = sys::open(request.scratch, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    const std::array<std::string, 1> options{"mode=0700"};
    const Fd tmpfs = linux_::make_filesystem("tmpfs", "hull-files", options);
    linux_::attach_mount(tmpfs.get(), target.get());
    for (const char* name : {"root", "upper", "work", "layers", "source"})
        sys::mkdir(join(request.scratch, name), 0755);
    return request.scratch;
}

void enter_private_mounts() {
    linux_::unshare_namespaces(CLONE_NEWNS);
    const Fd root = sys::open("/", O_PATH | O_DIRECTORY);
    linux_::set_propagation(root.get(), MS_PRIVATE, true);
}

Fd mount_stopped(const Request& request, bool writable) {
    const Path scratch = make_scratch(request);
    linux_::OverlayPlan plan = request.rootfs;
    if (!writable) {
        copy_root_metadata(plan.upper, join(scratch, "upper"));
        plan.lowers.insert(plan.lowers.begin(), {linux_::LowerLayer::Kind::directory, plan.upper});
        plan.upper = join(scratch, "upper");
        plan.work = join(scratch, "work");
    }
    const Fd overlay = linux_::mount_overlay(plan, join(scratch, "layers"));
    const Path path = join(scratch, "root");
    linux_::attach_mount(overlay.get(), AT_FDCWD, path);
    Fd root = sys::open(path, O_PATH | O_DIRECTORY);
    attach_mounts(request, root.get());
    if (request.read_only_root)
        linux_::set_mount_attributes(root.get(), {MOUNT_ATTR_RDONLY, 0}, false);
    return root;
}

Fd clone_bare_root(int mount_namespace) {
    const Fd own = sys::open("/proc/self/ns/mnt", O_RDONLY);
    // open_tree(2) copies only what is mounted in the caller's namespace.
    linux_::enter_namespace(mount_namespace, CLONE_NEWNS);
    Fd tree = linux_::clone_tree(AT_FDCWD, "/", false);
    linux_::enter_namespace(own.get(), CLONE_NEWNS);
    return tree;
}

Fd mount_lowers(const Request& request) {
    linux_::OverlayPlan plan = request.rootfs;
    plan.upper.clear();
    plan.work.clear();
    return linux_::mount_overlay(plan, join(make_scratch(request), "layers"));
}

}  // namespace hull::files
