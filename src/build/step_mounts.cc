#include "build/step_mounts.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "linux/mount.hh"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>

namespace hull::build {

namespace {

/// Only what we mount ourselves: the tree's name is fixed.
constexpr const char* tree_name = "tree";

void unmount_tree(const Path& directory) {
    ::umount2(join(directory, tree_name).c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
}

Path path_of(int fd) {
    std::array<char, 4096> buffer;
    const std::string link = fmt::format("/proc/self/fd/{}", fd);
    const ssize_t size = ::readlink(link.c_str(), buffer.data(), buffer.size());
    if (size < 0) throw_errno(errno, "{}", link);
    return Path(buffer.data(), static_cast<std::size_t>(size));
}

}  // namespace

TemporaryDirectory::~TemporaryDirectory() {
    if (path_.empty()) return;
    try {
        unmount_tree(path_);
        sys::remove_tree(path_);
    } catch (const Error& error) {
        log::warning("removing {}: {}", path_, error.message());
    }
}

std::vector<std::string> StepMounts::targets() const {
    std::vector<std::string> targets;
    for (const api::Mount& mount : mounts) targets.push_back(mount.target);
    return targets;
}

void StepMounts::add(std::string type, Path source, std::string target, bool read_only) {
    api::Mount& mount = mounts.emplace_back();
    mount.type = std::move(type);
    mount.source = std::move(source);
    mount.target = std::move(target);
    mount.read_only = read_only;
}

Path resolve_inside(const Path& root, const std::string& inside) {
    const Fd directory = sys::open(root, O_PATH | O_DIRECTORY);
    const Fd found = linux_::find_in_root(directory.get(), "/" + inside, O_PATH);
    if (!found) throw Error(ErrorKind::not_found, "\"/{}\": not found", inside);
    return path_of(found.get());
}

Path mount_tree(linux_::OverlayPlan plan, const Path& directory, const std::string& inside,
                bool writable) {
    const Path tree = join(directory, tree_name);
    for (const char* name : {tree_name, "upper", "work", "layers"})
        sys::mkdir(join(directory, name), 0755);
    if (writable) {
        plan.upper = join(directory, "upper");
        plan.work = join(directory, "work");
        plan.is_volatile = true;
    }
    const Fd overlay = linux_::mount_overlay(plan, join(directory, "layers"));
    linux_::attach_mount(overlay.get(), AT_FDCWD, tree);
    return resolve_inside(tree, inside);
}

void remove_mounted_trees(const Path& parent) {
    for (const std::string& name : sys::list_directories(parent)) {
        unmount_tree(join(parent, name));
        sys::remove_tree(join(parent, name));
    }
}

}  // namespace hull::build
