#include "volume/local_mount.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "linux/mount.hh"

#include <fcntl.h>
#include <sys/mount.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace hull::volume {

namespace {

constexpr std::string_view known_options[] = {"type", "o", "device"};
constexpr std::pair<std::string_view, std::string_view> required[] = {
    {"device", "type"}, {"o", "device"}, {"o", "type"}, {"type", "device"}};

/// "addr=" may be a name; the kernel wants a number.
std::vector<std::string> option_words(const Volume& volume) {
    std::vector<std::string> words = split_nonempty(volume.option("o"), ',');
    return words;
}

}  // namespace

void check_local_options(const Volume& volume) {
    if (!volume.options) return;
    for (const auto& [name, value] : *volume.options)
        if (std::find(std::begin(known_options), std::end(known_options), name) ==
            std::end(known_options))
            throw Error(ErrorKind::invalid_argument, "invalid option: \"{}\"", name);
    for (const auto& [name, needed] : required)
        if (volume.options->contains(std::string(name)) &&
            !volume.options->contains(std::string(needed)))
            throw Error(ErrorKind::invalid_argument, "missing required option: \"{}\"", needed);
}

bool needs_mount(const Volume& volume) { return !volume.option("device").empty(); }

void mount_local(const Volume& volume, const Path& target) {
    const std::string device = volume.option("device"), type = volume.option("type");
    const std::string data = volume.option("o");
    try {
        const linux_::MountOptions options = linux_::parse_mount_options(option_words(volume));
        Fd made;
        if (options.bind || type == "bind") {
            made = linux_::clone_tree(AT_FDCWD, device, options.recursive_bind);
            linux_::set_mount_attributes(made.get(), options.attributes, false);
            linux_::set_mount_attributes(made.get(), options.recursive_attributes, true);
        } else {
            made = linux_::make_filesystem(type, device, options.data, options.attributes,
                                           options.super_flags);
        }
        const Fd place = sys::open(target, O_PATH | O_DIRECTORY | O_NOFOLLOW);
        linux_::attach_mount(made.get(), place.get());
        if (options.propagation)
            linux_::set_propagation(made.get(), options.propagation, options.recursive_propagation);
    } catch (const Error& error) {
        throw Error(
            ErrorKind::internal,
            "error while mounting volume '{}': failed to mount local volume: mount {}:{}{}: "
            "{}",
            target, device, target, data.empty() ? "" : ", data: " + data, error.message());
    }
}

void unmount_local(const Path& target) {
    if (::umount2(target.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH) != 0 && errno != EINVAL)
        throw_errno(errno, "unmounting {}", target);
}

}  // namespace hull::volume
