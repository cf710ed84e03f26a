#include "linux/mount.hh"

#include "base/error.hh"
#include "base/sys.hh"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace hull::linux_ {
namespace {

struct AttributeOption {
    std::string_view name;
    std::uint64_t set, clear;
};

constexpr std::uint64_t no_clear = 0, atime_mask = MOUNT_ATTR__ATIME;

/// The kernel keeps one access time mode per mount; setting one means clearing the field first.
constexpr AttributeOption attribute_options[] = {
    {"ro", MOUNT_ATTR_RDONLY, no_clear},
    {"rw", 0, MOUNT_ATTR_RDONLY},
    {"nosuid", MOUNT_ATTR_NOSUID, no_clear},
    {"suid", 0, MOUNT_ATTR_NOSUID},
    {"nodev", MOUNT_ATTR_NODEV, no_clear},
    {"dev", 0, MOUNT_ATTR_NODEV},
    {"noexec", MOUNT_ATTR_NOEXEC, no_clear},
    {"exec", 0, MOUNT_ATTR_NOEXEC},
    {"noatime", MOUNT_ATTR_NOATIME, atime_mask},
    {"atime", 0, atime_mask},
    {"relatime", MOUNT_ATTR_RELATIME, atime_mask},
    {"norelatime", 0, atime_mask},
    {"strictatime", MOUNT_ATTR_STRICTATIME, atime_mask},
    {"nostrictatime", 0, atime_mask},
    {"nodiratime", MOUNT_ATTR_NODIRATIME, no_clear},
    {"diratime", 0, MOUNT_ATTR_NODIRATIME},
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, no_clear},
    {"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
};

struct SuperOption {
    std::string_view name;
    unsigned long set, clear;
};

constexpr SuperOption super_options[] = {
    {"sync", MS_SYNCHRONOUS, 0},     {"async", 0, MS_SYNCHRONOUS},   {"dirsync", MS_DIRSYNC, 0},
    {"lazytime", MS_LAZYTIME, 0},    {"nolazytime", 0, MS_LAZYTIME}, {"iversion", MS_I_VERSION, 0},
    {"noiversion", 0, MS_I_VERSION}, {"mand", MS_MANDLOCK, 0},       {"nomand", 0, MS_MANDLOCK},
    {"silent", MS_SILENT, 0},        {"loud", 0, MS_SILENT},         {"defaults", 0, 0},
};

struct PropagationName {
    std::string_view name;
    Propagation value;
};

constexpr PropagationName propagations[] = {
    {"private", {MS_PRIVATE, false}},       {"rprivate", {MS_PRIVATE, true}},
    {"slave", {MS_SLAVE, false}},           {"rslave", {MS_SLAVE, true}},
    {"shared", {MS_SHARED, false}},         {"rshared", {MS_SHARED, true}},
    {"unbindable", {MS_UNBINDABLE, false}}, {"runbindable", {MS_UNBINDABLE, true}},
};

void apply(MountAttributes& attributes, const AttributeOption& option) {
    attributes.set = (attributes.set & ~option.clear) | option.set;
    attributes.clear = (attributes.clear & ~option.set) | option.clear;
}

bool apply_attribute(MountOptions& result, std::string_view name) {
    for (const AttributeOption& option : attribute_options) {
        if (name == option.name) {
            apply(result.attributes, option);
            return true;
        }
        if (name.starts_with('r') && name.substr(1) == option.name) {
            apply(result.recursive_attributes, option);
            return true;
        }
    }
    return false;
}

bool apply_super(MountOptions& result, std::string_view name) {
    for (const SuperOption& option : super_options) {
        if (name != option.name) continue;
        result.super_flags = (result.super_flags & ~option.clear) | option.set;
        return true;
    }
    return false;
}

bool apply_keyword(MountOptions& result, std::string_view name) {
    if (name == "bind" || name == "rbind") {
        result.bind = true;
        result.recursive_bind = result.recursive_bind || name == "rbind";
    } else if (name == "remount") {
        result.remount = true;
    } else if (name == "idmap" || name == "ridmap") {
        result.idmap = true;
        result.recursive_idmap = name == "ridmap";
    } else if (name == "tmpcopyup") {
        result.copy_up = true;
    } else {
        return false;
    }
    return true;
}

/// The messages a file system context collected ("e overlay: No lowerdir"), joined.
std::string context_messages(int context) {
    std::string result;
    std::array<char, 1024> buffer;
    for (;;) {
        ssize_t count = ::read(context, buffer.data(), buffer.size());
        if (count <= 0) return result;
        std::string_view line(buffer.data(), static_cast<std::size_t>(count));
        while (line.ends_with('\n')) line.remove_suffix(1);
        if (line.size() > 2 && line[1] == ' ') line.remove_prefix(2);
        if (!result.empty()) result += "; ";
        result += line;
    }
}

[[noreturn]] void throw_context(int error_number, int context, const std::string& what) {
    std::string detail = context_messages(context);
    if (!detail.empty()) throw_errno(error_number, "{} ({})", what, detail);
    throw_errno(error_number, "{}", what);
}

void set_option(int context, const std::string& type, const std::string& option) {
    std::size_t equals = option.find('=');
    int result = 0;
    if (equals == std::string::npos) {
        result = ::fsconfig(context, FSCONFIG_SET_FLAG, option.c_str(), nullptr, 0);
    } else {
        std::string key = option.substr(0, equals);
        result =
            ::fsconfig(context, FSCONFIG_SET_STRING, key.c_str(), option.c_str() + equals + 1, 0);
    }
    if (result != 0)
        throw_context(errno, context, fmt::format("mount option {} of {}", option, type));
}

struct SuperFlag {
    unsigned long flag;
    const char* name;
};
constexpr SuperFlag super_flag_names[] = {{MS_SYNCHRONOUS, "sync"},
                                          {MS_DIRSYNC, "dirsync"},
                                          {MS_LAZYTIME, "lazytime"},
                                          {MS_MANDLOCK, "mand"}};

Path parent_of(const Path& path) {
    std::size_t slash = path.find_last_of('/');
    return slash == std::string::npos ? Path() : path.substr(0, slash);
}

std::string name_of(const Path& path) {
    std::size_t slash = path.find_last_of('/');
    return slash == std::string::npos ? path : path.substr(slash + 1);
}

Path clean(std::string_view path) {
    Path result;
    while (!path.empty()) {
        std::size_t slash = path.find('/');
        std::string_view part = path.substr(0, slash);
        if (!part.empty() && part != ".") {
            if (!result.empty()) result += '/';
            result += part;
        }
        path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    }
    return result;
}

constexpr std::uint64_t in_root = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;

/// -1 with errno when it cannot be opened.
int raw_openat2(int root, const Path& path, std::uint64_t flags) {
    open_how how{};
    how.flags = flags | O_CLOEXEC;
    how.resolve = in_root;
    for (;;) {
        long result =
            ::syscall(SYS_openat2, root, path.empty() ? "." : path.c_str(), &how, sizeof how);
        // EAGAIN: a rename somewhere raced with the walk of "..".
        if (result < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        return static_cast<int>(result);
    }
}

Fd open_or_make(int root, const Path& path, bool is_directory, int depth) {
    if (depth > 64) throw_errno(ELOOP, "creating mount point {}", path);
    int found = raw_openat2(root, path, O_PATH);
    if (found >= 0) return Fd(found);
    if (errno != ENOENT) throw_errno(errno, "creating mount point /{}", path);

    Fd parent = open_or_make(root, parent_of(path), true, depth + 1);
    std::string name = name_of(path);
    if (name == "..") throw_errno(EINVAL, "creating mount point /{}", path);

    std::array<char, 4096> target;
    ssize_t length = ::readlinkat(parent.get(), name.c_str(), target.data(), target.size());
    if (length >= 0) {  // dangling: what it points to is made, inside the root
        std::string_view text(target.data(), static_cast<std::size_t>(length));
        Path next =
            text.starts_with('/') ? clean(text) : clean(parent_of(path) + "/" + std::string(text));
        return open_or_make(root, next, is_directory, depth + 1);
    }
    if (is_directory) {
        if (::mkdirat(parent.get(), name.c_str(), 0755) != 0 && errno != EEXIST)
            throw_errno(errno, "creating mount point /{}", path);
    } else {
        Fd made(::openat(parent.get(), name.c_str(),
                         O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644));
        if (!made && errno != EEXIST) throw_errno(errno, "creating mount point /{}", path);
    }
    Fd made(::openat(parent.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!made) throw_errno(errno, "creating mount point /{}", path);
    struct stat status = sys::fstat(made.get());
    if (S_ISLNK(status.st_mode)) throw_errno(ELOOP, "creating mount point /{}", path);
    return made;
}

}  // namespace

std::optional<Propagation> find_propagation(std::string_view name) {
    for (const PropagationName& known : propagations)
        if (known.name == name) return known.value;
    return std::nullopt;
}

MountOptions parse_mount_options(std::span<const std::string> options) {
    MountOptions result;
    for (const std::string& option : options) {
        if (apply_keyword(result, option) || apply_attribute(result, option) ||
            apply_super(result, option))
            continue;
        if (auto propagation = find_propagation(option)) {
            result.propagation = propagation->type;
            result.recursive_propagation = propagation->recursive;
            continue;
        }
        if (!option.empty()) result.data.push_back(option);
    }
    return result;
}

std::vector<std::string> list_mount_options() {
    std::vector<std::string> result = {"bind", "rbind", "remount", "idmap", "ridmap", "tmpcopyup"};
    for (const AttributeOption& option : attribute_options) {
        result.emplace_back(option.name);
        result.push_back("r" + std::string(option.name));
    }
    for (const SuperOption& option : super_options) result.emplace_back(option.name);
    for (const PropagationName& known : propagations) result.emplace_back(known.name);
    std::sort(result.begin(), result.end());
    return result;
}

Fd make_filesystem(const std::string& type, const std::string& source,
                   std::span<const std::string> data, MountAttributes attributes,
                   unsigned long super_flags) {
    Fd context(::fsopen(type.c_str(), FSOPEN_CLOEXEC));
    if (!context) throw_errno(errno, "file system type {}", type);
    if (!source.empty() &&
        ::fsconfig(context.get(), FSCONFIG_SET_STRING, "source", source.c_str(), 0) != 0)
        throw_context(errno, context.get(), fmt::format("source {} of {}", source, type));
    for (const SuperFlag& known : super_flag_names)
        if (super_flags & known.flag) set_option(context.get(), type, known.name);
    for (const std::string& option : data) set_option(context.get(), type, option);
    if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        throw_context(errno, context.get(), fmt::format("making a {}", type));
    Fd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes.set)));
    if (!mount) throw_context(errno, context.get(), fmt::format("mounting a {}", type));
    return mount;
}

Fd clone_tree(int directory, const std::string& path, bool recursive, bool follow) {
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
    if (recursive) flags |= AT_RECURSIVE;
    if (path.empty()) flags |= AT_EMPTY_PATH;
    if (!follow) flags |= AT_SYMLINK_NOFOLLOW;
    Fd tree(::open_tree(directory, path.c_str(), flags));
    if (!tree) throw_errno(errno, "bind source {}", path);
    return tree;
}

void set_mount_attributes(int fd, MountAttributes attributes, bool recursive) {
    if (attributes.empty()) return;
    mount_attr attr{};
    attr.attr_set = attributes.set;
    attr.attr_clr = attributes.clear;
    unsigned flags = AT_EMPTY_PATH | (recursive ? static_cast<unsigned>(AT_RECURSIVE) : 0U);
    if (::mount_setattr(fd, "", flags, &attr, sizeof attr) != 0)
        throw_errno(errno, "setting mount attributes (set {:#x}, clear {:#x})", attributes.set,
                    attributes.clear);
}

void set_propagation(int fd, std::uint64_t type, bool recursive) {
    mount_attr attr{};
    attr.propagation = type;
    unsigned flags = AT_EMPTY_PATH | (recursive ? static_cast<unsigned>(AT_RECURSIVE) : 0U);
    if (::mount_setattr(fd, "", flags, &attr, sizeof attr) != 0)
        throw_errno(errno, "setting mount propagation");
}

void set_idmap(int fd, int user_namespace, bool recursive) {
    mount_attr attr{};
    attr.attr_set = MOUNT_ATTR_IDMAP;
    attr.userns_fd = static_cast<std::uint64_t>(user_namespace);
    unsigned flags = AT_EMPTY_PATH | (recursive ? static_cast<unsigned>(AT_RECURSIVE) : 0U);
    if (::mount_setattr(fd, "", flags, &attr, sizeof attr) != 0)
        throw_errno(errno, "mapping the ids of a mount");
}

void attach_mount(int mount, int target) {
    if (::move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
        throw_errno(errno, "attaching a mount");
}

void attach_mount(int mount, int directory, const std::string& path) {
    if (::move_mount(mount, "", directory, path.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
        throw_errno(errno, "attaching a mount at {}", path);
}

Fd open_destination(int root, const std::string& path, bool is_directory) {
    return open_or_make(root, clean(path), is_directory, 0);
}

Fd find_in_root(int root, const std::string& path, int flags) {
    Path relative = clean(path);
    int found = raw_openat2(root, relative, static_cast<std::uint64_t>(flags ? flags : O_PATH));
    if (found >= 0) return Fd(found);
    if (errno == ENOENT || errno == ENOTDIR) return Fd();
    throw_errno(errno, "opening /{} in the root file system", relative);
}

bool is_on_filesystem(int fd, long magic) {
    struct statfs status;
    if (::fstatfs(fd, &status) != 0) throw_errno(errno, "fstatfs");
    return static_cast<long>(status.f_type) == magic;
}

}  // namespace hull::linux_
