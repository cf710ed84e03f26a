#include "base/sys.hh"
#include "linux/mount.hh"
#include "linux/terminal.hh"
#include "runtime/init.hh"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace hull::runtime {
namespace {

struct DefaultNode {
    const char* path;
    unsigned major, minor;
};
constexpr DefaultNode default_nodes[] = {{"/dev/null", 1, 3},    {"/dev/zero", 1, 5},
                                         {"/dev/full", 1, 7},    {"/dev/random", 1, 8},
                                         {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};

struct Link {
    const char* name;
    const char* target;
};
constexpr Link default_links[] = {{"fd", "/proc/self/fd"},
                                  {"stdin", "/proc/self/fd/0"},
                                  {"stdout", "/proc/self/fd/1"},
                                  {"stderr", "/proc/self/fd/2"},
                                  {"ptmx", "pts/ptmx"}};

bool is_dev_bound(const oci::Spec& spec) {
    return std::any_of(spec.mounts.begin(), spec.mounts.end(), [](const oci::Mount& mount) {
        if (mount.destination != "/dev" && mount.destination != "/dev/") return false;
        auto is_bind = [](const std::string& option) {
            return option == "bind" || option == "rbind";
        };
        return mount.type == "bind" ||
               std::any_of(mount.options.begin(), mount.options.end(), is_bind);
    });
}

mode_t type_bits(char type) {
    switch (type) {
        case 'c':
        case 'u': return S_IFCHR;
        case 'b': return S_IFBLK;
        case 'p': return S_IFIFO;
    }
    throw Error(ErrorKind::invalid_argument, "unknown device type {}", type);
}

/// The host's node, where we may make none of our own (user namespaces).
void bind_node(InitContext& context, const Path& path) {
    Fd source = linux_::clone_tree(AT_FDCWD, path, false);
    Fd target = linux_::open_destination(context.root.get(), path, false);
    linux_::attach_mount(source.get(), target.get());
}

void make_node(InitContext& context, const oci::Device& device) {
    if (context.has_user_namespace) return bind_node(context, device.path);
    std::size_t slash = device.path.find_last_of('/');
    std::string name = device.path.substr(slash + 1);
    Fd parent = linux_::open_destination(context.root.get(), device.path.substr(0, slash), true);
    mode_t mode = device.file_mode.value_or(0666) & 07777;
    dev_t number = device.type == 'p' ? 0
                                      : makedev(static_cast<unsigned>(device.major),
                                                static_cast<unsigned>(device.minor));
    if (::mknodat(parent.get(), name.c_str(), type_bits(device.type) | mode, number) != 0) {
        if (errno == EEXIST) return;
        if (errno == EPERM) return bind_node(context, device.path);
        throw_errno(errno, "mknod {}", device.path);
    }
    uid_t uid = device.uid.value_or(0);
    gid_t gid = device.gid.value_or(0);
    if ((uid != 0 || gid != 0) &&
        ::fchownat(parent.get(), name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) != 0)
        throw_errno(errno, "chown {}", device.path);
}

/// Best effort: a read-only /dev of the image has its own.
void make_links(int dev) {
    for (const Link& link : default_links) {
        if (std::string_view(link.name) == "ptmx") ::unlinkat(dev, link.name, 0);
        if (::symlinkat(link.target, dev, link.name) != 0 && errno != EEXIST && errno != EROFS)
            throw_errno(errno, "symlink /dev/{}", link.name);
    }
    if (::access("/proc/kcore", F_OK) == 0) ::symlinkat("/proc/kcore", dev, "core");
}

Fd open_null() { return sys::open("/dev/null", O_RDWR); }

/// Other processes of the user may open /dev/stderr, which needs the owner to be right.
void give_to_user(int fd, const oci::User& user) {
    struct stat status = sys::fstat(fd);
    if (status.st_uid == user.uid && status.st_gid == user.gid) return;
    if (S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3)) return;
    // EINVAL, EPERM, EROFS: unmapped or not ours to give; the descriptor works all the same.
    static_cast<void>(::fchown(fd, user.uid, static_cast<gid_t>(-1)));
}

void put_at(int fd, int number) {
    if (fd != number) {
        if (::dup2(fd, number) < 0) throw_errno(errno, "dup2");
        return;
    }
    int flags = ::fcntl(fd, F_GETFD);
    if (flags < 0 || ::fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC) != 0) throw_errno(errno, "fcntl");
}

/// The terminal must come to /dev/console itself: a link in the image could have it cover another
/// file, one of /proc that is to be masked later for instance (CVE-2025-52565).
void attach_console(InitContext& context, int slave) {
    Fd existing = linux_::find_in_root(context.root.get(), "/dev/console", O_PATH | O_NOFOLLOW);
    if (existing && S_ISLNK(sys::fstat(existing.get()).st_mode))
        throw Error(ErrorKind::forbidden, "/dev/console of the container is a symbolic link");
    Fd source = linux_::clone_tree(slave, "", false);
    Fd target = linux_::open_destination(context.root.get(), "/dev/console", false);
    linux_::attach_mount(source.get(), target.get());
}

}  // namespace

void make_devices(InitContext& context) {
    if (is_dev_bound(*context.spec)) return;
    mode_t old = ::umask(0);
    Fd dev = linux_::open_destination(context.root.get(), "/dev", true);
    for (const oci::Device& device : context.spec->linux_.devices) make_node(context, device);
    for (const DefaultNode& node : default_nodes)
        make_node(context, {.type = 'c',
                            .path = node.path,
                            .major = node.major,
                            .minor = node.minor,
                            .file_mode = 0666,
                            .uid = {},
                            .gid = {}});
    make_links(dev.get());
    ::umask(old);
}

void open_terminal(InitContext& context) {
    if (!context.process->terminal) return;
    Fd ptmx = linux_::find_in_root(context.root.get(), "/dev/pts/ptmx", O_PATH | O_NOFOLLOW);
    if (!ptmx) throw_errno(ENOENT, "/dev/pts/ptmx");
    // By the container's /proc we would trust the container; the host's shows us as well.
    linux_::Terminal terminal = linux_::open_terminal(ptmx.get(), context.proc.get());
    if (context.process->console_size)
        linux_::set_window_size(terminal.slave.get(), context.process->console_size->height,
                                context.process->console_size->width);
    if (context.spec) attach_console(context, terminal.slave.get());
    linux_::make_controlling_terminal(terminal.slave.get());
    context.channel.send_fd(MessageType::terminal, terminal.master.get());
    context.terminal_slave = std::move(terminal.slave);
}

void set_streams(InitContext& context) {
    std::array<int, 3> wanted{context.streams.input, context.streams.output, context.streams.error};
    if (context.terminal_slave) wanted.fill(context.terminal_slave.get());
    // Copies first: 2 may be meant to become 0.
    std::array<Fd, 3> copies;
    for (std::size_t i = 0; i < copies.size(); i++)
        copies[i] = wanted[i] >= 0 ? sys::dup(wanted[i]) : open_null();
    for (std::size_t i = 0; i < copies.size(); i++) {
        give_to_user(copies[i].get(), context.user);
        put_at(copies[i].get(), static_cast<int>(i));
        if (copies[i].get() <= 2) static_cast<void>(copies[i].release());
    }
}

}  // namespace hull::runtime
