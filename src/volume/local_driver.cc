#include "volume/local_driver.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "volume/local_mount.hh"

#include <fcntl.h>
#include <linux/stat.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace hull::volume {

namespace {

constexpr std::string_view letters_and_digits =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

}  // namespace

void check_volume_name(const std::string& name) {
    if (name.size() == 1)
        throw Error(ErrorKind::invalid_argument,
                    "volume name is too short, names should be at least two alphanumeric "
                    "characters");
    const auto is_allowed = [](char c) {
        return letters_and_digits.find(c) != std::string_view::npos || c == '_' || c == '.' ||
               c == '-';
    };
    if (name.empty() || letters_and_digits.find(name[0]) == std::string_view::npos ||
        !std::all_of(name.begin(), name.end(), is_allowed))
        throw Error(ErrorKind::invalid_argument,
                    "\"{}\" includes invalid characters for a local volume name, only "
                    "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host "
                    "directory, use absolute path",
                    name);
    if (name.size() > 255)
        throw Error(ErrorKind::invalid_argument, "volume name is longer than 255 characters");
}

void LocalDriver::create(const Volume& volume) {
    check_volume_name(volume.name);
    check_local_options(volume);
    ensure_directories(volume.name);
    if (size_limit(volume))
        ensure_image(volume, image(volume.name), data_directory(volume.name));
    else
        set_ownership(volume, data_directory(volume.name));
}

void LocalDriver::ensure_directories(const std::string& name) const {
    sys::mkdir_all(root_, 0701);
    sys::mkdir(directory(name), 0701);
    sys::mkdir(data_directory(name), 0755);
}

/// One rename: whoever looks sees all of it or nothing.
Path LocalDriver::remove(const Volume& volume) {
    if (is_mounted(volume.name)) unmount_local(data_directory(volume.name));
    sys::mkdir(trash(), 0700);
    if (!sys::find_stat(directory(volume.name))) return "";
    const Path aside = join(trash(), volume.name + "=" + random_hex(8));
    sys::rename(directory(volume.name), aside);
    return aside;
}

Path LocalDriver::mount(const Volume& volume, const std::string&) {
    const Path path = data_directory(volume.name);
    ensure_directories(volume.name);
    if (!volume::needs_mount(volume) || is_mounted(volume.name)) return path;
    if (size_limit(volume) == 0) {
        mount_local(volume, path);
        return path;
    }
    ensure_image(volume, image(volume.name), path);
    with_context([&] { mount_image(image(volume.name), path); }, "error while mounting volume '{}'",
                 path);
    return path;
}

void LocalDriver::unmount(const Volume& volume, const std::string&) {
    if (volume::needs_mount(volume) && is_mounted(volume.name))
        unmount_local(data_directory(volume.name));
}

bool LocalDriver::needs_mount(const Volume& volume) { return volume::needs_mount(volume); }

bool LocalDriver::is_mounted(const std::string& name) const {
    struct statx info {};
    return ::statx(AT_FDCWD, data_directory(name).c_str(), AT_SYMLINK_NOFOLLOW, 0, &info) == 0 &&
           (info.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

std::vector<std::string> LocalDriver::list_names() const {
    if (!sys::find_stat(root_)) return {};
    std::vector<std::string> names;
    for (std::string& name : sys::list_directories(root_))
        if (!name.starts_with('.') && sys::find_stat(data_directory(name)))
            names.push_back(std::move(name));
    return names;
}

std::vector<std::string> LocalDriver::list_removed() const {
    std::vector<std::string> names;
    for (const std::string& name : sys::list_directories(trash()))
        names.push_back(name.substr(0, name.rfind('=')));
    return names;
}

void LocalDriver::remove_copies(const std::string& name) const {
    for (const std::string& entry : sys::list_directories(directory(name)))
        if (entry.starts_with(".copy-")) sys::remove_tree(join(directory(name), entry));
}

json::Value LocalDriver::status(const Volume& volume) {
    const std::uint64_t limit = size_limit(volume);
    if (!limit) return {};
    json::Object status{{"LimitBytes", limit}};
    struct statvfs space {};
    if (is_mounted(volume.name) && ::statvfs(data_directory(volume.name).c_str(), &space) == 0) {
        const std::uint64_t free = space.f_bavail * space.f_frsize;
        status.append("FreeBytes", free);
        // The file system keeps some of the last blocks to itself.
        if (free < limit / 20)
            status.append("Note",
                          "full, or nearly: no space left on device for whoever writes in it");
    }
    return status;
}

void LocalDriver::move(const std::string& from, const std::string& name) const {
    sys::rename(join(root_, from), directory(name));
}

std::string LocalDriver::make_staging() const {
    std::string name = ".new-" + random_hex(8);
    sys::mkdir_all(root_, 0701);
    sys::mkdir(join(root_, name), 0701);
    sys::mkdir(join(root_, name) + "/_data", 0755);
    return name;
}

void LocalDriver::remove_staging(const std::string& name) const {
    sys::remove_tree(join(root_, name));
}

void LocalDriver::purge() const {
    if (!sys::find_stat(root_)) return;
    for (const std::string& name : sys::list_directories(root_))
        if (name.starts_with(".new-")) remove_staging(name);
    for (const std::string& name : sys::list_directories(trash()))
        sys::remove_tree(join(trash(), name));
}

}  // namespace hull::volume
