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

void set_directory(int context, const char* option, const Path& path) {
    constexpr std::size_t longest_string = 255;
    if (path.size() <= longest_string) return set_string(context, option, path);
    if (!try_set_fd(context, option, sys::open(path, O_PATH | O_DIRECTORY).get()))
        throw_errno(EINVAL, "overlay option {} of {} bytes", option, path.size());
}

/// For kernels before 6.13: layers attached where overlay can reach them by path. The overlay keeps
/// mounts of its own, so these go as soon as it is made.
class AttachedLayers {
public:
    explicit AttachedLayers(Path scratch) : scratch_(std::move(scratch)) {
        sys::mkdir_all(scratch_, 0700);
    }
    AttachedLayers(const AttachedLayers&) = delete;
    AttachedLayers& operator=(const AttachedLayers&) = delete;
    ~AttachedLayers() {
        for (const Path& target : targets_) {
            ::umount2(target.c_str(), MNT_DETACH);
            ::rmdir(target.c_str());
        }
    }

    /// A mount point in the scratch directory, which goes with us.
    const Path& add_target() {
        Path target = join(scratch_, std::to_string(targets_.size()));
        sys::mkdir(target, 0700);
        return targets_.emplace_back(std::move(target));
    }
    void attach(const Fd& layer) { attach_mount(layer.get(), AT_FDCWD, add_target()); }

private:
    Path scratch_;
    std::vector<Path> targets_;
};

/// mount(2)'s list: commas separate options, for paths colons separate layers.
std::string escape(const Path& path) {
    std::string result;
    for (char c : path) {
        if (c == ':' || c == ',' || c == '\\') result += '\\';
        result += c;
    }
    return result;
}

/// The options of `plan` with the layers named from `directory`, which keeps the names short.
std::string classic_options(const OverlayPlan& plan, std::size_t layers, int directory) {
    std::string options = "lowerdir=";
    for (std::size_t i = 0; i < layers; ++i)
        options += fmt::format("{}/proc/self/fd/{}/{}", i > 0 ? ":" : "", directory, i);
    if (plan.upper.empty()) return options;
    options +=
        fmt::format(",upperdir={},workdir={},index=off", escape(plan.upper), escape(plan.work));
    if (plan.is_volatile) options += ",volatile";
    return options;
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

    if (!plan.upper.empty() && plan.is_volatile) forget_volatile(plan.work);
    Fd context(::fsopen("overlay", FSOPEN_CLOEXEC));
    if (!context) throw_errno(errno, "file system type overlay");
    set_string(context.get(), "source", "overlay");
    for (std::size_t i = 0; i < lowers.size(); i++) {
        if (try_set_fd(context.get(), "lowerdir+", lowers[i].get())) continue;
        if (i > 0) throw_errno(EINVAL, "overlay layer {}", i);
        return mount_overlay_by_path(plan, lowers, scratch);
    }
    if (!plan.upper.empty()) {
        set_directory(context.get(), "upperdir", plan.upper);
        set_directory(context.get(), "workdir", plan.work);
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

Fd mount_overlay_by_path(const OverlayPlan& plan, const std::vector<Fd>& layers,
                         const Path& scratch) {
    AttachedLayers attached(scratch);
    for (const Fd& layer : layers) attached.attach(layer);
    const Fd directory = sys::open(scratch, O_PATH | O_DIRECTORY);
    const std::string options = classic_options(plan, layers.size(), directory.get());
    const Path target = attached.add_target();
    constexpr std::size_t most_bytes = 4096;  // a page, with the end of the text
    if (options.size() >= most_bytes)
        throw Error(ErrorKind::invalid_argument,
                    "an overlay of {} layers needs {} bytes of mount options: kernels before 6.13 "
                    "take {}",
                    layers.size(), options.size(), most_bytes - 1);
    if (::mount("overlay", target.c_str(), "overlay", 0, options.c_str()) != 0)
        throw_errno(errno, "making an overlay of {} layers, upper {}", layers.size(), plan.upper);
    return clone_tree(AT_FDCWD, target, false);
}

bool can_share_mounts() {
    struct utsname name;
    unsigned major = 0, minor = 0;
    if (::uname(&name) != 0 || std::sscanf(name.release, "%u.%u", &major, &minor) != 2)
        return false;
    return major > 6 || (major == 6 && minor >= 15);
}

}  // namespace hull::linux_
