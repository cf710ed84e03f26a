#include "linux/overlay.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "linux/loop.hh"
#include "linux/mount.hh"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

namespace hull::linux_ {
namespace {

/// An erofs context over `source`, created and mounted; -1 with errno when the kernel refuses.
int try_mount_erofs(const std::string& source, bool direct_io) {
    Fd context(::fsopen("erofs", FSOPEN_CLOEXEC));
    if (!context) throw_errno(errno, "file system type erofs");
    if (direct_io && ::fsconfig(context.get(), FSCONFIG_SET_FLAG, "directio", nullptr, 0) != 0)
        return -1;
    if (::fsconfig(context.get(), FSCONFIG_SET_FLAG, "ro", nullptr, 0) != 0 ||
        ::fsconfig(context.get(), FSCONFIG_SET_STRING, "source", source.c_str(), 0) != 0 ||
        ::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        return -1;
    return ::fsmount(context.get(), FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
}

/// Sets an overlay option to a directory given as descriptor (kernel 6.13).
bool try_set_fd(int context, const char* option, int fd) {
    if (::fsconfig(context, FSCONFIG_SET_FD, option, nullptr, fd) == 0) return true;
    if (errno == EINVAL || errno == EOPNOTSUPP) return false;  // the latter: kernels before 6.5
    throw_errno(errno, "overlay option {}", option);
}

void set_string(int context, const char* option, const std::string& value) {
    if (::fsconfig(context, FSCONFIG_SET_STRING, option, value.c_str(), 0) != 0)
        throw_errno(errno, "overlay option {}={}", option, value);
}

/// The old `lowerdir` separates by colons and escapes with backslashes.
std::string escape(const Path& path) {
    std::string result;
    for (char c : path) {
        if (c == ':' || c == '\\') result += '\\';
        result += c;
    }
    return result;
}

/// For kernels before 6.13: layers attached where overlay can reach them by path. The overlay keeps
/// mounts of its own, so these go as soon as it is made.
class AttachedLayers {
public:
    explicit AttachedLayers(Path scratch) : scratch_(std::move(scratch)) {}
    AttachedLayers(const AttachedLayers&) = delete;
    AttachedLayers& operator=(const AttachedLayers&) = delete;
    ~AttachedLayers() {
        for (const Path& target : targets_) {
            ::umount2(target.c_str(), MNT_DETACH);
            ::rmdir(target.c_str());
        }
    }

    void set_lowers(int context, const std::vector<Fd>& lowers) {
        sys::mkdir_all(scratch_, 0700);
        std::string all;
        for (std::size_t i = 0; i < lowers.size(); i++) {
            Path target = join(scratch_, std::to_string(i));
            sys::mkdir(target, 0700);
            targets_.push_back(target);
            attach_mount(lowers[i].get(), AT_FDCWD, target);
            if (!all.empty()) all += ':';
            all += escape(target);
        }
        set_string(context, "lowerdir", all);
    }

private:
    Path scratch_;
    std::vector<Path> targets_;
};

void set_lowers(int context, const std::vector<Fd>& lowers, AttachedLayers& attached) {
    for (std::size_t i = 0; i < lowers.size(); i++) {
        if (try_set_fd(context, "lowerdir+", lowers[i].get())) continue;
        if (i > 0) throw_errno(EINVAL, "overlay layer {}", i);
        return attached.set_lowers(context, lowers);
    }
}

/// A volatile overlay leaves a mark in its work directory that keeps it from being mounted again.
void forget_volatile(const Path& work) {
    if (sys::find_stat(join(work, "work/incompat"))) sys::remove_tree(join(work, "work"));
}

}  // namespace

Fd mount_erofs(const Path& image) {
    int mount = try_mount_erofs(image, true);
    if (mount >= 0) return Fd(mount);
    // EINVAL: no such option, or the image's file system has no O_DIRECT.
    mount = try_mount_erofs(image, false);
    if (mount >= 0) return Fd(mount);
    if (errno != ENOTBLK) throw_errno(errno, "mounting the erofs image {}", image);
    LoopDevice loop = LoopDevice::attach(image);
    mount = try_mount_erofs(loop.path(), false);
    if (mount < 0) throw_errno(errno, "mounting the erofs image {} by {}", image, loop.path());
    return Fd(mount);
}

Fd mount_layer(const LowerLayer& layer, int user_namespace) {
    return with_context(
        [&] {
        Fd mount = layer.kind == LowerLayer::Kind::erofs_image
                       ? mount_erofs(layer.path)
                       : clone_tree(AT_FDCWD, layer.path, false);
        if (user_namespace >= 0) set_idmap(mount.get(), user_namespace, false);
        return mount;
        },
        "layer {}", layer.path);
}

std::vector<Fd> mount_layers(const OverlayPlan& plan, int user_namespace) {
    std::vector<Fd> layers;
    layers.reserve(plan.lowers.size());
    for (const LowerLayer& layer : plan.lowers)
        layers.push_back(mount_layer(layer, user_namespace));
    return layers;
}

Fd mount_overlay(const OverlayPlan& plan, const Path& scratch, int user_namespace) {
    return mount_overlay(plan, mount_layers(plan, user_namespace), scratch);
}

Fd mount_overlay(const OverlayPlan& plan, std::vector<Fd> lowers, const Path& scratch) {
    if (lowers.empty()) throw Error(ErrorKind::invalid_argument, "an overlay needs a layer");
    if (plan.upper.empty() && lowers.size() == 1) {  // overlay refuses this; it is what we want
        set_mount_attributes(lowers[0].get(), {MOUNT_ATTR_RDONLY, 0}, false);
        return std::move(lowers[0]);
    }

    Fd context(::fsopen("overlay", FSOPEN_CLOEXEC));
    if (!context) throw_errno(errno, "file system type overlay");
    set_string(context.get(), "source", "overlay");
    AttachedLayers attached(scratch);
    set_lowers(context.get(), lowers, attached);
    if (!plan.upper.empty()) {
        if (plan.is_volatile) forget_volatile(plan.work);
        set_string(context.get(), "upperdir", plan.upper);
        set_string(context.get(), "workdir", plan.work);
        // With an index the upper directory could not be used again while a dying mount holds it.
        ::fsconfig(context.get(), FSCONFIG_SET_STRING, "index", "off", 0);
        if (plan.is_volatile &&
            ::fsconfig(context.get(), FSCONFIG_SET_FLAG, "volatile", nullptr, 0) != 0)
            throw_errno(errno, "overlay option volatile");
    }
    if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        throw_errno(errno, "making an overlay of {} layers, upper {}", lowers.size(), plan.upper);
    Fd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
    if (!mount) throw_errno(errno, "mounting an overlay");
    return mount;
}

bool can_share_mounts() {
    struct utsname name;
    unsigned major = 0, minor = 0;
    if (::uname(&name) != 0 || std::sscanf(name.release, "%u.%u", &major, &minor) != 2)
        return false;
    return major > 6 || (major == 6 && minor >= 15);
}

}  // namespace hull::linux_
