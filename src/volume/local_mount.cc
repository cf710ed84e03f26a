#include "volume/local_mount.hh"

#include "base/error.hh"
#include "base/process.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "linux/loop.hh"
#include "linux/mount.hh"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace hull::volume {

namespace {

constexpr std::string_view known_options[] = {"type", "o", "device", "size", "uid", "gid", "mode"};
constexpr std::pair<std::string_view, std::string_view> required[] = {
    {"device", "type"}, {"o", "device"}, {"o", "type"}, {"type", "device"}};

constexpr std::uint64_t smallest_bytes = 2UL << 20;  // with less mkfs.ext4 leaves no room

std::vector<std::string> option_words(const Volume& volume) {
    return split_nonempty(volume.option("o"), ',');
}

/// "64m", "1.5g" is not: whole numbers of k, m, g or t, in powers of 1024.
std::optional<std::uint64_t> find_size(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    std::string unit = lower(std::string_view(end, text.data() + text.size()));
    if (unit.ends_with('b')) unit.pop_back();
    const std::size_t power = unit.empty() ? 0 : std::string_view("kmgt").find(unit) + 1;
    if (error != std::errc() || unit.size() > 1 || (!unit.empty() && power == 0) || power > 4)
        return std::nullopt;
    if (number > (std::uint64_t{1} << 62) >> (10 * power)) return std::nullopt;
    return number << (10 * power);
}

std::optional<unsigned> find_number(const std::string& text, int base) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

void check_own_options(const Volume& volume) {
    const auto refuse = [](const char* name, const std::string& value, const char* wanted) {
        throw Error(ErrorKind::invalid_argument, "invalid option {}=\"{}\": {}", name, value,
                    wanted);
    };
    for (const char* name : {"uid", "gid"})
        if (const std::string value = volume.option(name);
            !value.empty() && !find_number(value, 10))
            refuse(name, value, "a number is needed");
    if (const std::string value = volume.option("mode");
        !value.empty() && find_number(value, 8).value_or(010000) > 07777)
        refuse("mode", value, "an octal mode like 0750 is needed");
    const std::string size = volume.option("size");
    if (size.empty()) return;
    if (find_size(size).value_or(0) < smallest_bytes) refuse("size", size, "2m or more is needed");
    if (!volume.option("device").empty())
        throw Error(ErrorKind::invalid_argument,
                    "a volume with a device has the size of that: leave out the option size, or "
                    "give o=size=… to a tmpfs");
}

/// File systems of other machines are told an address: the daemon looks no names up, answers of
/// strangers are not for root.
void check_address(const std::string& type, const std::string& data) {
    if (type != "nfs" && type != "nfs4" && type != "cifs") return;
    for (const std::string& word : split_nonempty(data, ',')) {
        const std::string_view host = std::string_view(word).substr(word.find('=') + 1);
        if (!word.starts_with("addr=") || host.find_first_not_of("0123456789.") == host.npos ||
            host.find(':') != host.npos)
            continue;
        throw Error(ErrorKind::invalid_argument,
                    "addr={0} is a name and an address is needed: `getent ahosts {0}` finds it",
                    host);
    }
}

/// What to do about an error, where there is something.
std::string remedy(const Error& error, const std::string& type) {
    if (error.error_number() != ENODEV) return "";
    return fmt::format(": this kernel does not know {0}: load its module (modprobe {0})", type);
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
    check_own_options(volume);
}

bool needs_mount(const Volume& volume) {
    return !volume.option("device").empty() || size_limit(volume) != 0;
}

std::uint64_t size_limit(const Volume& volume) {
    return find_size(volume.option("size")).value_or(0);
}

void set_ownership(const Volume& volume, const Path& target) {
    const std::string uid = volume.option("uid"), gid = volume.option("gid"),
                      mode = volume.option("mode");
    const auto id = [](const std::string& text) {
        return text.empty() ? static_cast<uid_t>(-1) : find_number(text, 10).value();
    };
    if (::lchown(target.c_str(), id(uid), id(gid)) != 0)
        throw_errno(errno, "setting the owner of {}", target);
    if (!mode.empty() && ::chmod(target.c_str(), find_number(mode, 8).value()) != 0)
        throw_errno(errno, "setting the mode of {}", target);
}

void mount_image(const Path& image, const Path& target) {
    const linux_::LoopDevice device = linux_::LoopDevice::attach(image, false);
    const Fd made = linux_::make_filesystem("ext4", device.path(), {});
    linux_::attach_mount(made.get(), AT_FDCWD, target);
}

void ensure_image(const Volume& volume, const Path& image, const Path& target) {
    if (sys::find_stat(image)) return;
    const Path fresh = image + ".new";
    {
        const Fd file = sys::open(fresh, O_RDWR | O_CREAT | O_TRUNC, 0600);
        sys::ftruncate(file.get(), size_limit(volume));
    }
    Path program;
    for (const char* place : {"/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4", "/usr/bin/mkfs.ext4"})
        if (program.empty() && sys::find_stat(place)) program = place;
    if (program.empty())
        throw Error(ErrorKind::unsupported,
                    "a volume with a size needs mkfs.ext4: install e2fsprogs");
    Command mkfs;
    mkfs.arguments = {program, "-q", "-F", "-m", "0", fresh};
    const ExitStatus status = Process::spawn(mkfs).wait();
    if (status.code != 0 || status.signal != 0)
        throw Error(ErrorKind::internal, "{} ended with {} {}", program,
                    status.signal ? "signal" : "exit code",
                    status.signal ? status.signal : status.code);
    mount_image(fresh, target);
    try {
        ::rmdir(join(target, "lost+found").c_str());  // or it would not be an empty volume
        set_ownership(volume, target);
    } catch (...) {
        unmount_local(target);
        throw;
    }
    unmount_local(target);
    sys::rename(fresh, image);
}

void mount_local(const Volume& volume, const Path& target) {
    const std::string device = volume.option("device"), type = volume.option("type");
    const std::string data = volume.option("o");
    try {
        check_address(type, data);
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
            "{}{}",
            target, device, target, data.empty() ? "" : ", data: " + data, error.message(),
            remedy(error, type));
    }
}

void unmount_local(const Path& target) {
    if (::umount2(target.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH) != 0 && errno != EINVAL)
        throw_errno(errno, "unmounting {}", target);
}

}  // namespace hull::volume
