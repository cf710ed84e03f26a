#include "engine/staged_mounts.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "engine/files.hh"
#include "engine/id_mapping.hh"
#include "engine/text.hh"
#include "linux/mount.hh"
#include "linux/overlay.hh"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hull::engine {

namespace {

void take_away(const Path& place) {
    ::umount2(place.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    if (::rmdir(place.c_str()) != 0 && errno == ENOTDIR) ::unlink(place.c_str());
}

}  // namespace

StagedMounts::~StagedMounts() {
    for (const Path& place : places_) take_away(place);
    if (!own_.empty()) ::rmdir(own_.c_str());
}

void StagedMounts::clear(const Path& directory) {
    for (const std::string& name : find_names(directory)) {
        const Path own = join(directory, name);
        for (const std::string& place : find_names(own)) take_away(join(own, place));
        ::rmdir(own.c_str());
    }
}

Path StagedMounts::add(int mount, bool is_directory) {
    if (own_.empty()) {
        const Path own = join(directory_, random_hex(8));
        sys::mkdir_all(own, 0700);
        own_ = own;
    }
    const Path place = join(own_, std::to_string(places_.size()));
    if (is_directory)
        sys::mkdir(place, 0700);
    else
        write_file(place, "", 0600);
    places_.push_back(place);
    linux_::attach_mount(mount, AT_FDCWD, place);
    return place;
}

void StagedMounts::stage_secrets(std::vector<PlannedMount>& plan,
                                 const std::vector<SecretFile>& files) {
    if (files.empty()) return;
    constexpr std::uint64_t attributes =
        MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW;
    Fd memory;
    try {
        // What is swapped out is on a disk.
        const std::vector<std::string> unswappable = {"mode=0700", "noswap"};
        memory = linux_::make_filesystem("tmpfs", "hull-secrets", unswappable, {attributes, 0});
    } catch (const Error&) {  // before Linux 6.4
        const std::vector<std::string> plain = {"mode=0700"};
        memory = linux_::make_filesystem("tmpfs", "hull-secrets", plain, {attributes, 0});
    }
    const Path place = add(memory.get(), true);
    for (std::size_t i = 0; i < files.size(); ++i) {
        const SecretFile& file = files[i];
        PlannedMount mount;
        mount.source = join(place, std::to_string(i));
        mount.destination = file.destination;
        mount.read_only = true;
        const Fd target = sys::open(mount.source, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0400);
        sys::write_all(target.get(), file.text);
        if (::fchown(target.get(), file.uid, file.gid) != 0 ||
            ::fchmod(target.get(), file.mode) != 0)
            throw_errno(errno, "making a secret's file");
        plan.push_back(std::move(mount));
    }
}

Path StagedMounts::stage_subpath(const Path& source, const std::string& subpath) {
    const Fd root = sys::open(source, O_PATH | O_DIRECTORY);
    Fd found;
    try {
        found = sys::openat2(root.get(), subpath, O_PATH, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
    } catch (const Error& error) {
        if (error.error_number() == EXDEV)
            throw Error(ErrorKind::invalid_argument,
                        "path concatenation escapes the base directory, base: \"{}\", subpath: "
                        "\"{}\"",
                        source, subpath);
        throw Error(error.kind(), "cannot access path {}: {}", join(source, subpath),
                    error.error_number() == ENOENT ? "no such file or directory" : error.message());
    }
    const Fd tree = linux_::clone_tree(found.get(), "", true);
    return add(tree.get(), S_ISDIR(sys::fstat(found.get()).st_mode));
}

Path StagedMounts::stage_image(const PlannedMount& mount, store::Store& store) {
    const linux_::OverlayPlan plan = store.prepare_rootfs(mount.diff_ids, "", "");
    // An overlay of one layer is none.
    if (plan.lowers.size() == 1) return add(linux_::mount_layer(plan.lowers[0]).get(), true);
    const Path scratch = join(directory_, random_hex(8));
    sys::mkdir_all(scratch, 0700);
    const Fd overlay = linux_::mount_overlay(plan, scratch);
    ::rmdir(scratch.c_str());
    return add(overlay.get(), true);
}

void StagedMounts::stage(std::vector<PlannedMount>& plan, store::Store& store) {
    for (PlannedMount& mount : plan) {
        if (mount.type == PlannedMount::Type::image)
            mount.source = with_context([&] { return stage_image(mount, store); },
                                        "mounting image {}", mount.source);
        const bool has_parts =
            mount.type == PlannedMount::Type::image || mount.type == PlannedMount::Type::volume;
        if (has_parts && !mount.subpath.empty())
            mount.source = stage_subpath(mount.source, mount.subpath);
    }
}

// ---------------------------------------------------------------- propagation

namespace {

struct HostMount {
    std::string mount_point, options;  ///< optional fields of mountinfo(5): "shared:1 master:2"
};

HostMount find_mount_of(const Path& path) {
    struct statx info {};
    if (::statx(AT_FDCWD, path.c_str(), 0, STATX_MNT_ID, &info) != 0)
        throw_errno(errno, "statx {}", path);
    const std::string id = std::to_string(info.stx_mnt_id);
    for (const std::string& line : split(read_file("/proc/self/mountinfo"), '\n')) {
        const std::vector<std::string> fields = split(line, ' ');
        if (fields.size() < 7 || fields[0] != id) continue;
        HostMount mount{fields[4], ""};
        for (std::size_t i = 6; i < fields.size() && fields[i] != "-"; i++)
            mount.options += fields[i] + " ";
        return mount;
    }
    return {"/", ""};
}

}  // namespace

void check_propagation(const std::vector<PlannedMount>& plan) {
    for (const PlannedMount& mount : plan) {
        const bool is_shared = mount.propagation.ends_with("shared");
        if (mount.type != PlannedMount::Type::bind ||
            (!is_shared && !mount.propagation.ends_with("slave")))
            continue;
        const HostMount host = find_mount_of(mount.source);
        const bool has_peers = host.options.find("shared:") != std::string::npos;
        const bool has_master = host.options.find("master:") != std::string::npos;
        if (has_peers || (!is_shared && has_master)) continue;
        throw Error(ErrorKind::internal, "path {} is mounted on {} but it is not a shared{} mount",
                    mount.source, host.mount_point, is_shared ? "" : " or slave");
    }
}

// ---------------------------------------------------------------- ids

void map_ids(std::vector<PlannedMount>& plan, const std::string& user) {
    for (PlannedMount& mount : plan) {
        if (mount.id_map.empty()) continue;
        Ids ids;
        const std::size_t colon = user.find(':');
        const auto uid = find_integer(user.substr(0, colon));
        const auto gid = colon == std::string::npos ? std::optional<std::int64_t>(0)
                                                    : find_integer(user.substr(colon + 1));
        if (!user.empty() && mount.id_map == "map=host" && (!uid || !gid))
            throw Error(ErrorKind::invalid_argument,
                        "map=host needs the container's user as numbers: \"{}\" is a name, use "
                        "--user UID:GID",
                        user);
        if (!user.empty() && uid && gid) ids = {static_cast<uid_t>(*uid), static_cast<gid_t>(*gid)};
        struct stat info {};
        if (::stat(mount.source.c_str(), &info) != 0) throw_errno(errno, "{}", mount.source);
        IdMapping mapping = make_id_mapping(mount.id_map, {info.st_uid, info.st_gid}, ids);
        mount.uid_mappings = std::move(mapping.uids);
        mount.gid_mappings = std::move(mapping.gids);
    }
}

}  // namespace hull::engine
