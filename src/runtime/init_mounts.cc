#include "base/sys.hh"
#include "linux/mount.hh"
#include "linux/namespaces.hh"
#include "linux/process_attributes.hh"
#include "runtime/init.hh"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>

namespace hull::runtime {
namespace {

using linux_::MountOptions;

constexpr std::size_t longest_context_value = 255;  // fsconfig(2) takes no longer strings

/// The only places inside /proc that a bind may cover: lxcfs and the like.
constexpr std::string_view allowed_in_proc[] = {"/proc/cpuinfo",
                                                "/proc/diskstats",
                                                "/proc/meminfo",
                                                "/proc/stat",
                                                "/proc/swaps",
                                                "/proc/uptime",
                                                "/proc/loadavg",
                                                "/proc/slabinfo",
                                                "/proc/net/dev",
                                                "/proc/sys/kernel/ns_last_pid",
                                                "/proc/sys/crypto/fips_enabled"};

bool is_plain_bind(const oci::Mount& mount, const MountOptions& options) {
    return options.bind || mount.type == "bind";
}

Path absolute_source(const InitContext& context, const Path& source) {
    return source.starts_with('/') ? source : join(context.bundle, source);
}

/// A hostile mount on /proc would make us write security labels into a file of the image
/// (CVE-2019-16884, CVE-2025-52881).
void check_proc_bind(const std::string& destination, int source, int target) {
    bool names_proc = destination == "/proc" || destination.starts_with("/proc/");
    if (!names_proc && !linux_::is_on_filesystem(target, PROC_SUPER_MAGIC)) return;
    if (destination == "/proc" && linux_::is_on_filesystem(source, PROC_SUPER_MAGIC)) return;
    if (std::find(std::begin(allowed_in_proc), std::end(allowed_in_proc), destination) !=
        std::end(allowed_in_proc))
        return;
    if (linux_::is_on_filesystem(source, PROC_SUPER_MAGIC)) return;
    throw Error(ErrorKind::invalid_argument, "{} cannot be mounted because it is inside /proc",
                destination);
}

bool is_directory(int fd) { return S_ISDIR(sys::fstat(fd).st_mode); }

/// What lies behind /proc/PID/root is in another mount namespace (the /dev/shm of a container whose
/// IPC is shared): the kernel clones a mount only for who is inside, so we visit.
std::optional<Fd> find_foreign_source(const Path& source, bool recursive) {
    constexpr std::string_view proc = "/proc/", root = "/root/";
    if (!source.starts_with(proc)) return std::nullopt;
    const std::size_t end = source.find_first_not_of("0123456789", proc.size());
    if (end == std::string::npos || end == proc.size() ||
        std::string_view(source).substr(end, root.size()) != root)
        return std::nullopt;
    const Fd back = sys::open("/proc/self/ns/mnt", O_RDONLY);
    const Fd there = sys::open(source.substr(0, end) + "/ns/mnt", O_RDONLY);
    linux_::enter_namespace(there.get(), CLONE_NEWNS);
    Fd tree = linux_::clone_tree(AT_FDCWD, source.substr(end + root.size() - 1), recursive);
    linux_::enter_namespace(back.get(), CLONE_NEWNS);
    return tree;
}

Fd open_bind_source(InitContext& context, std::size_t index, const MountOptions& options) {
    if (auto found = context.sources.find(index); found != context.sources.end())
        return std::move(found->second);
    const oci::Mount& mount = context.spec->mounts[index];
    if (auto foreign = find_foreign_source(mount.source, options.recursive_bind))
        return std::move(*foreign);
    return linux_::clone_tree(AT_FDCWD, absolute_source(context, mount.source),
                              options.recursive_bind);
}

void mount_bind(InitContext& context, std::size_t index, const MountOptions& options) {
    const oci::Mount& mount = context.spec->mounts[index];
    Fd source = open_bind_source(context, index, options);
    Fd target =
        linux_::open_destination(context.root.get(), mount.destination, is_directory(source.get()));
    check_proc_bind(mount.destination, source.get(), target.get());
    linux_::set_mount_attributes(source.get(), options.attributes, false);
    linux_::set_mount_attributes(source.get(), options.recursive_attributes, true);
    linux_::attach_mount(source.get(), target.get());
    if (options.propagation)
        linux_::set_propagation(source.get(), options.propagation, options.recursive_propagation);
}

/// procfs and sysfs go on ordinary directories only: a link in the image would put them elsewhere,
/// with masked and read-only paths then not being theirs.
Fd open_kernel_destination(InitContext& context, const std::string& destination) {
    Fd target = linux_::open_destination(context.root.get(), destination, true);
    Path relative =
        destination.substr(std::min(destination.find_first_not_of('/'), destination.size()));
    try {
        return sys::openat2(context.root.get(), relative.empty() ? "." : relative,
                            O_PATH | O_DIRECTORY | O_CLOEXEC,
                            RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
    } catch (const Error& error) {
        if (error.error_number() != ELOOP) throw;
        throw Error(ErrorKind::invalid_argument,
                    "{} must be an ordinary directory, not a symbolic link", destination);
    }
}

void copy_entry(int from, int to, const std::string& name);

void copy_directory(int from, int to) {
    for (const std::string& name : sys::list_directory(fmt::format("/proc/self/fd/{}", from)))
        copy_entry(from, to, name);
}

/// sendfile(2) rather than copy_file_range(2), which refuses another type of file system.
void copy_file(int from, int to) {
    for (;;) {
        ssize_t count = ::sendfile(to, from, nullptr, 1UL << 30);
        if (count == 0) return;
        if (count < 0) throw_errno(errno, "copying");
    }
}

/// tmpcopyup: contents of the image's directory into the tmpfs that is going to cover it.
void copy_entry(int from, int to, const std::string& name) {
    struct stat status;
    if (::fstatat(from, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
        throw_errno(errno, "copying {}", name);
    if (S_ISDIR(status.st_mode)) {
        if (::mkdirat(to, name.c_str(), 0700) != 0) throw_errno(errno, "copying {}", name);
        Fd inside = sys::openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        Fd made = sys::openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        copy_directory(inside.get(), made.get());
    } else if (S_ISREG(status.st_mode)) {
        Fd inside = sys::openat(from, name, O_RDONLY | O_NOFOLLOW);
        Fd made = sys::openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
        copy_file(inside.get(), made.get());
    } else if (S_ISLNK(status.st_mode)) {
        std::string target(static_cast<std::size_t>(status.st_size) + 1, '\0');
        ssize_t length = ::readlinkat(from, name.c_str(), target.data(), target.size());
        if (length < 0) throw_errno(errno, "copying {}", name);
        target.resize(static_cast<std::size_t>(length));
        if (::symlinkat(target.c_str(), to, name.c_str()) != 0)
            throw_errno(errno, "copying {}", name);
    } else if (::mknodat(to, name.c_str(), status.st_mode, status.st_rdev) != 0) {
        throw_errno(errno, "copying {}", name);
    }
    if (::fchownat(to, name.c_str(), status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW) != 0)
        throw_errno(errno, "copying {}", name);
    if (!S_ISLNK(status.st_mode) && ::fchmodat(to, name.c_str(), status.st_mode & 07777, 0) != 0)
        throw_errno(errno, "copying {}", name);
}

bool has_key(const std::vector<std::string>& data, std::string_view key) {
    return std::any_of(data.begin(), data.end(), [&](const std::string& option) {
        return option.starts_with(key) && option.size() > key.size() && option[key.size()] == '=';
    });
}

/// mount(2), for what the new interface has no room for: long option values, and iversion.
Fd mount_classic(const InitContext& context, const oci::Mount& mount, const MountOptions& options,
                 int target) {
    std::string data;
    for (const std::string& option : options.data) {
        if (!data.empty()) data += ',';
        data += option;
    }
    std::string path = fmt::format("/proc/self/fd/{}", target);
    if (::mount(mount.source.c_str(), path.c_str(), mount.type.c_str(), options.super_flags,
                data.c_str()) != 0)
        throw_errno(errno, "mount {} as {}", mount.source, mount.type);
    // `target` is still what lies below.
    Fd made = linux_::find_in_root(context.root.get(), mount.destination);
    linux_::set_mount_attributes(made.get(), options.attributes, false);
    return made;
}

void mount_tmpfs(InitContext& context, const oci::Mount& mount, MountOptions options) {
    Fd existing = linux_::find_in_root(context.root.get(), mount.destination);
    Fd target = linux_::open_destination(context.root.get(), mount.destination, true);
    // A tmpfs takes the mode of the directory it covers unless one was asked for.
    if (existing && !has_key(options.data, "mode"))
        options.data.push_back(
            fmt::format("mode={:o}", sys::fstat(existing.get()).st_mode & 07777));
    const bool readonly = options.attributes.set & MOUNT_ATTR_RDONLY;
    // Things are still going to be made in it.
    options.attributes.set &= ~std::uint64_t{MOUNT_ATTR_RDONLY};
    const bool is_classic = options.super_flags & MS_I_VERSION;
    Fd made = is_classic
                  ? mount_classic(context, mount, options, target.get())
                  : linux_::make_filesystem("tmpfs", mount.source.empty() ? "tmpfs" : mount.source,
                                            options.data, options.attributes, options.super_flags);
    if (options.copy_up && existing) {
        Fd from = sys::openat(existing.get(), ".", O_RDONLY | O_DIRECTORY);
        copy_directory(from.get(), made.get());
    }
    if (!is_classic) linux_::attach_mount(made.get(), target.get());
    if (options.propagation)
        linux_::set_propagation(made.get(), options.propagation, options.recursive_propagation);
    if (readonly) context.later_readonly.push_back(std::move(made));
}

void mount_other(InitContext& context, const oci::Mount& mount, const MountOptions& options) {
    bool is_kernel = mount.type == "proc" || mount.type == "sysfs";
    Fd target = is_kernel ? open_kernel_destination(context, mount.destination)
                          : linux_::open_destination(context.root.get(), mount.destination, true);
    bool is_long = std::any_of(options.data.begin(), options.data.end(),
                               [](const std::string& option) {
        return option.size() - std::min(option.find('='), option.size()) > longest_context_value;
    });
    Fd made;
    if (is_long || (options.super_flags & MS_I_VERSION)) {
        made = mount_classic(context, mount, options, target.get());
    } else {
        made = linux_::make_filesystem(mount.type, mount.source, options.data, options.attributes,
                                       options.super_flags);
        linux_::attach_mount(made.get(), target.get());
    }
    if (options.propagation)
        linux_::set_propagation(made.get(), options.propagation, options.recursive_propagation);
}

std::string leaf_name(const Path& path) { return path.substr(path.find_last_of('/') + 1); }

/// The tree that `docker run` shows on cgroup v1: a tmpfs with one read-only directory per
/// hierarchy, each the container's own cgroup.
void mount_cgroup_v1(InitContext& context, const oci::Mount& mount, const MountOptions& options) {
    Fd target = linux_::open_destination(context.root.get(), mount.destination, true);
    linux_::MountAttributes attributes = options.attributes;
    attributes.set &= ~std::uint64_t{MOUNT_ATTR_RDONLY};
    std::string mode[] = {"mode=755"};
    Fd top = linux_::make_filesystem("tmpfs", "tmpfs", mode, attributes);
    linux_::attach_mount(top.get(), target.get());
    for (const linux_::Cgroup::Directory& directory : context.cgroup_directories) {
        std::string leaf = leaf_name(directory.hierarchy.mount_point);
        if (::mkdirat(top.get(), leaf.c_str(), 0755) != 0) throw_errno(errno, "mkdir {}", leaf);
        Fd tree = linux_::clone_tree(AT_FDCWD, directory.path, false);
        linux_::set_mount_attributes(tree.get(), options.attributes, false);
        linux_::attach_mount(tree.get(), top.get(), leaf);
        for (const std::string& controller : directory.hierarchy.controllers)
            if (!directory.hierarchy.is_v2 && controller != leaf)  // cpu -> cpu,cpuacct
                ::symlinkat(leaf.c_str(), top.get(), controller.c_str());
    }
    if (options.attributes.set & MOUNT_ATTR_RDONLY)
        linux_::set_mount_attributes(top.get(), {MOUNT_ATTR_RDONLY, 0}, false);
}

void mount_cgroup_v2(InitContext& context, const oci::Mount& mount, const MountOptions& options) {
    Fd target = linux_::open_destination(context.root.get(), mount.destination, true);
    Fd tree;
    try {
        if (context.new_cgroup_namespace)
            tree = linux_::make_filesystem("cgroup2", "cgroup", options.data, options.attributes);
    } catch (
        const Error& error) {  // EPERM, EBUSY: a user namespace without the host's cgroup mount
        if (error.error_number() != EPERM && error.error_number() != EBUSY) throw;
    }
    if (!tree) {
        if (context.cgroup_directories.empty())
            throw Error(ErrorKind::unsupported, "no cgroup v2 file system is mounted");
        tree = linux_::clone_tree(AT_FDCWD, context.cgroup_directories.back().path, false);
        linux_::set_mount_attributes(tree.get(), options.attributes, false);
    }
    linux_::attach_mount(tree.get(), target.get());
}

void mount_cgroup(InitContext& context, const oci::Mount& mount, const MountOptions& options) {
    if (context.cgroup_mode == linux_::CgroupMode::v2 || mount.type == "cgroup2")
        mount_cgroup_v2(context, mount, options);
    else
        mount_cgroup_v1(context, mount, options);
}

void remount(InitContext& context, const oci::Mount& mount, const MountOptions& options) {
    Fd target = linux_::find_in_root(context.root.get(), mount.destination);
    if (!target) throw_errno(ENOENT, "remounting {}", mount.destination);
    linux_::set_mount_attributes(target.get(), options.attributes, false);
    linux_::set_mount_attributes(target.get(), options.recursive_attributes, true);
}

void mount_one(InitContext& context, std::size_t index) {
    const oci::Mount& mount = context.spec->mounts[index];
    MountOptions options = linux_::parse_mount_options(mount.options);
    if (!context.spec->linux_.mount_label.empty() && !options.bind && linux_::has_selinux())
        options.data.push_back("context=" + context.spec->linux_.mount_label);
    if (options.remount) return remount(context, mount, options);
    if (is_plain_bind(mount, options)) return mount_bind(context, index, options);
    if (mount.type == "tmpfs") return mount_tmpfs(context, mount, std::move(options));
    if (mount.type == "cgroup" || mount.type == "cgroup2")
        return mount_cgroup(context, mount, options);
    mount_other(context, mount, options);
}

/// The mount that `path` is on gets private: pivot_root(2) refuses a shared parent, and a mount
/// made there would appear on the host.
void make_parent_private(const Path& path) {
    struct statx status;
    if (::statx(AT_FDCWD, path.c_str(), 0, STATX_MNT_ID, &status) != 0)
        throw_errno(errno, "statx {}", path);
    std::string wanted = std::to_string(status.stx_mnt_id) + " ";
    std::string mounts = read_file("/proc/self/mountinfo");
    for (std::size_t at = 0; at < mounts.size();) {
        std::size_t end = std::min(mounts.find('\n', at), mounts.size());
        std::string_view line = std::string_view(mounts).substr(at, end - at);
        at = end + 1;
        if (!line.starts_with(wanted)) continue;
        std::size_t field = 0;
        for (int i = 0; i < 4; i++) field = line.find(' ', field) + 1;
        Path point(line.substr(field, line.find(' ', field) - field));
        if (::mount(nullptr, point.c_str(), nullptr, MS_PRIVATE, nullptr) != 0)
            throw_errno(errno, "making {} private", point);
        return;
    }
}

/// A read-only, empty directory for each masked directory, /dev/null for each masked file.
class Mask {
public:
    explicit Mask(int root) : root_(root) {}

    void cover(const Path& path) {
        Fd target = linux_::find_in_root(root_, path);
        if (!target) return;
        if (is_directory(target.get()))
            cover_directory(target.get());
        else
            cover_file(target.get());
    }

private:
    void cover_directory(int target) {
        if (directory_) {
            Fd copy = linux_::clone_tree(directory_.get(), "", false);
            return linux_::attach_mount(copy.get(), target);
        }
        std::string options[] = {"nr_blocks=1", "nr_inodes=1"};
        directory_ = linux_::make_filesystem("tmpfs", "tmpfs", options, {MOUNT_ATTR_RDONLY, 0});
        linux_::attach_mount(directory_.get(), target);
    }

    /// The container's /dev/null, once we know that it is one: the image or a racing container
    /// could have put a link to somewhere writable there (CVE-2025-31133).
    void cover_file(int target) {
        if (!null_) {
            null_ = linux_::find_in_root(root_, "/dev/null", O_PATH | O_NOFOLLOW);
            if (!null_) throw_errno(ENOENT, "/dev/null");
            struct stat status = sys::fstat(null_.get());
            if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(1, 3))
                throw Error(ErrorKind::forbidden,
                            "/dev/null of the container is not the null device");
        }
        Fd copy = linux_::clone_tree(null_.get(), "", false);
        linux_::attach_mount(copy.get(), target);
    }

    int root_;
    Fd directory_, null_;
};

void make_readonly(int root, const Path& path) {
    Fd target = linux_::find_in_root(root, path);
    if (!target) return;
    Fd copy = linux_::clone_tree(target.get(), "", true);
    linux_::set_mount_attributes(copy.get(), {MOUNT_ATTR_RDONLY, 0}, false);
    linux_::attach_mount(copy.get(), target.get());
}

void move_into_rootfs(InitContext& context) {
    if (::fchdir(context.root.get()) != 0) throw_errno(errno, "entering the rootfs");
    if (::mount(".", "/", nullptr, MS_MOVE, nullptr) != 0)
        throw_errno(errno, "moving the rootfs to /");
    if (::chroot(".") != 0) throw_errno(errno, "chroot");
    if (::chdir("/") != 0) throw_errno(errno, "chdir /");
}

}  // namespace

void open_host_proc(InitContext& context) {
    context.proc = sys::open("/proc", O_PATH | O_DIRECTORY);
    if (!linux_::is_on_filesystem(context.proc.get(), PROC_SUPER_MAGIC))
        throw Error(ErrorKind::unsupported, "the host has no procfs on /proc");
}

void set_root_propagation(InitContext& context) {
    unsigned long flags = MS_SLAVE | MS_REC;
    const std::string& wanted = context.spec->linux_.rootfs_propagation;
    if (!wanted.empty()) {
        auto propagation = linux_::find_propagation(wanted);
        if (!propagation)
            throw Error(ErrorKind::invalid_argument, "unknown rootfsPropagation {}", wanted);
        flags = propagation->type;
        if (propagation->type == MS_UNBINDABLE) flags = MS_PRIVATE | MS_REC;
        if (propagation->type == MS_SHARED) {
            make_parent_private(context.rootfs);
            return;
        }
        flags |= MS_REC;
    }
    if (::mount(nullptr, "/", nullptr, flags, nullptr) != 0) throw_errno(errno, "making / a slave");
}

void mount_rootfs(InitContext& context) {
    Fd mount;
    if (context.root_mount)
        mount = std::move(context.root_mount);
    else if (context.overlay)
        mount = linux_::mount_overlay(*context.overlay, std::move(context.layers),
                                      join(context.bundle, "layers"));
    else
        mount = linux_::clone_tree(AT_FDCWD, context.rootfs, true);
    linux_::attach_mount(mount.get(), AT_FDCWD, context.rootfs);
    context.root = std::move(mount);
}

void mount_filesystems(InitContext& context) {
    for (std::size_t i = 0; i < context.spec->mounts.size(); i++) {
        const oci::Mount& mount = context.spec->mounts[i];
        with_context([&] { mount_one(context, i); }, "{} on {}",
                     mount.type.empty() ? mount.source : mount.type, mount.destination);
    }
}

void mount_init_program(InitContext& context) {
    if (context.init_program.empty()) return;
    Fd source = linux_::clone_tree(AT_FDCWD, context.init_program, false);
    linux_::set_mount_attributes(source.get(), {MOUNT_ATTR_RDONLY, 0}, false);
    Fd target = linux_::open_destination(context.root.get(), "/sbin/docker-init", false);
    linux_::attach_mount(source.get(), target.get());
}

void pivot_into_rootfs(InitContext& context) {
    if (context.no_pivot) return move_into_rootfs(context);
    const Fd old_root = sys::open("/", O_PATH | O_DIRECTORY);
    if (::fchdir(context.root.get()) != 0) throw_errno(errno, "entering the rootfs");
    // Both on the same place: the old root ends on top of the new one and is taken off
    // (pivot_root(2)).
    if (::syscall(SYS_pivot_root, ".", ".") != 0) throw_errno(errno, "pivot_root");
    // Unmounting a shared tree would unmount it on the host, too. Not by the path ".", which is the
    // new root: what it has from the host is to stay shared with it.
    if (!context.spec->linux_.rootfs_propagation.empty())
        linux_::set_propagation(old_root.get(), MS_SLAVE, true);
    if (::umount2(".", MNT_DETACH) != 0) throw_errno(errno, "detaching the old root");
    if (::chdir("/") != 0) throw_errno(errno, "chdir /");
    if (context.spec->linux_.rootfs_propagation == "shared" ||
        context.spec->linux_.rootfs_propagation == "rshared")
        linux_::set_propagation(context.root.get(), MS_SHARED, true);
}

void finish_mounts(InitContext& context) {
    for (const Fd& mount : context.later_readonly)
        linux_::set_mount_attributes(mount.get(), {MOUNT_ATTR_RDONLY, 0}, false);
    context.later_readonly.clear();
    if (context.spec->root.readonly)
        linux_::set_mount_attributes(context.root.get(), {MOUNT_ATTR_RDONLY, 0}, false);
}

void mask_paths(InitContext& context) {
    for (const Path& path : context.spec->linux_.readonly_paths)
        with_context([&] { make_readonly(context.root.get(), path); }, "read-only {}", path);
    Mask mask(context.root.get());
    for (const Path& path : context.spec->linux_.masked_paths)
        with_context([&] { mask.cover(path); }, "{}", path);
}

}  // namespace hull::runtime
