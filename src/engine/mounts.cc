#include "engine/mounts.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "engine/id_mapping.hh"
#include "engine/mount_requests.hh"
#include "engine/text.hh"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace hull::engine {

namespace {

[[noreturn]] void refuse_bind(const std::string& bind) {
    throw Error(ErrorKind::invalid_argument, "invalid volume specification: '{}'", bind);
}

Path checked_destination(const std::string& destination, const std::string& spec) {
    if (!destination.starts_with('/'))
        throw Error(ErrorKind::invalid_argument,
                    "invalid volume specification: '{}': invalid mount config: invalid mount path: "
                    "'{}' mount path must be absolute",
                    spec, destination);
    Path clean = clean_path(destination);
    if (clean == "/")
        throw Error(ErrorKind::invalid_argument,
                    "invalid volume specification: '{}': invalid mount config: invalid "
                    "specification: destination can't be '/'",
                    spec);
    return clean;
}

void apply_bind_mode(PlannedMount& mount, const std::string& mode, const std::string& bind) {
    std::set<std::string> seen_kinds;
    auto once = [&](const char* kind) {
        if (!seen_kinds.insert(kind).second)
            throw Error(ErrorKind::invalid_argument, "invalid mode: {}", mode);
    };
    for (const std::string& word : split(mode, ',')) {
        if (word == "ro" || word == "rw") {
            once("access");
            mount.read_only = word == "ro";
        } else if (is_propagation(word)) {
            once("propagation");
            mount.propagation = word;
        } else if (word == "z" || word == "Z") {
            once("label");  // only SELinux hosts relabel
        } else if (word == "consistent" || word == "cached" || word == "delegated") {
            once("consistency");  // only Docker Desktop has more than one
        } else if (word == "nocopy") {
            once("copy");
            if (mount.type == PlannedMount::Type::bind) refuse_bind(bind);
            mount.copy_up = false;
        } else if (word == "map=host" || word.starts_with("idmap=")) {
            once("ids");
            mount.id_map = word;
            check_id_map(word);
        } else {
            throw Error(ErrorKind::invalid_argument, "invalid mode: {}", mode);
        }
    }
}

PlannedMount parse_bind(const std::string& bind, const std::string& volume_driver) {
    std::vector<std::string> parts = split(bind, ':');
    if (parts.size() < 2 || parts.size() > 3 || parts[0].empty() || parts[1].empty())
        refuse_bind(bind);
    PlannedMount mount;
    mount.destination = checked_destination(parts[1], bind);
    if (parts[0].starts_with('/')) {
        mount.source = clean_path(parts[0]);
        mount.create_source = true;
    } else {
        mount.type = PlannedMount::Type::volume;
        mount.volume = parts[0];
        mount.driver = volume_driver;
        mount.copy_up = true;
    }
    if (parts.size() == 3) {
        mount.mode = parts[2];
        apply_bind_mode(mount, parts[2], bind);
    }
    if (mount.type == PlannedMount::Type::volume && mount.mode.empty()) mount.mode = "z";
    return mount;
}

/// Flags replace their opposites; a NAME=VALUE replaces the same NAME.
void merge_tmpfs_option(std::vector<std::string>& options, const std::string& option) {
    struct Pair {
        std::string_view one, other;
    };
    constexpr Pair opposites[] = {
        {"exec", "noexec"},         {"suid", "nosuid"},
        {"dev", "nodev"},           {"ro", "rw"},
        {"sync", "async"},          {"dirsync", "dirsync"},
        {"atime", "noatime"},       {"diratime", "nodiratime"},
        {"relatime", "norelatime"}, {"strictatime", "nostrictatime"},
        {"iversion", "noiversion"},
    };
    constexpr std::string_view names[] = {
        "size=", "mode=", "uid=", "gid=", "nr_inodes=", "nr_blocks=", "mpol="};
    for (const auto& [one, other] : opposites) {
        if (option != one && option != other) continue;
        std::erase(options, one);
        std::erase(options, other);
        options.push_back(option);
        return;
    }
    for (std::string_view name : names) {
        if (!option.starts_with(name)) continue;
        std::erase_if(options, [&](const std::string& old) { return old.starts_with(name); });
        options.push_back(option);
        return;
    }
    if (is_propagation(option) || option == "remount" || option == "defaults") {
        options.push_back(option);
        return;
    }
    throw Error(ErrorKind::invalid_argument, "Invalid tmpfs option [\"{}\"]", option);
}

PlannedMount plan_tmpfs(const std::string& destination, const std::string& options) {
    PlannedMount mount;
    mount.type = PlannedMount::Type::tmpfs;
    mount.destination = checked_destination(destination, destination);
    mount.options = {"noexec", "nosuid", "nodev"};
    if (!options.empty())
        for (const std::string& option : split(options, ',')) {
            if (option.starts_with("size=")) {
                std::string value = option.substr(5);
                if (!value.ends_with('%') && !find_size(value))
                    throw Error(ErrorKind::invalid_argument, "Invalid tmpfs option [\"{}\"]",
                                option);
            }
            merge_tmpfs_option(mount.options, option);
        }
    return mount;
}

std::size_t depth(const Path& path) {
    return static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
}

}  // namespace

std::vector<PlannedMount> plan_mounts(const api::ContainerConfig& config,
                                      const api::HostConfig& host,
                                      const std::vector<PlannedMount>& inherited) {
    std::vector<PlannedMount> mounts;
    std::set<Path> taken;
    auto add = [&](PlannedMount mount) {
        if (!taken.insert(mount.destination).second)
            throw Error(ErrorKind::invalid_argument, "Duplicate mount point: {}",
                        mount.destination);
        mounts.push_back(std::move(mount));
    };
    for (const std::string& bind : host.binds) add(parse_bind(bind, host.volume_driver));
    for (const api::Mount& mount : host.mounts) add(plan_mount_request(mount));
    for (const auto& [destination, options] : host.tmpfs) add(plan_tmpfs(destination, options));
    std::set<Path> from_others;
    for (auto mount = inherited.rbegin(); mount != inherited.rend(); ++mount)
        if (!taken.contains(mount->destination) && from_others.insert(mount->destination).second)
            mounts.push_back(*mount);
    taken.merge(from_others);
    for (const std::string& path : config.volumes) {
        PlannedMount mount;
        mount.type = PlannedMount::Type::volume;
        mount.anonymous = true;
        mount.driver = host.volume_driver;
        mount.destination = checked_destination(path, path);
        mount.copy_up = true;
        if (taken.insert(mount.destination).second) mounts.push_back(std::move(mount));
    }
    std::stable_sort(mounts.begin(), mounts.end(), [](const auto& a, const auto& b) {
        return depth(a.destination) < depth(b.destination);
    });
    return mounts;
}

std::vector<PlannedMount> inherit_mounts(const std::vector<PlannedMount>& plan,
                                         const std::string& mode) {
    bool read_only = false, has_access = false;
    if (!mode.empty())
        for (const std::string& word : split(mode, ',')) {
            const bool is_access = word == "ro" || word == "rw";
            if ((is_access && std::exchange(has_access, true)) ||
                (!is_access && word != "z" && word != "Z"))
                throw Error(ErrorKind::invalid_argument, "invalid mode: {}", mode);
            read_only |= word == "ro";
        }
    std::vector<PlannedMount> mounts;
    for (PlannedMount mount : plan) {
        if (mount.type == PlannedMount::Type::tmpfs) continue;
        mount.read_only |= read_only;
        mount.copy_up = false;
        mounts.push_back(std::move(mount));
    }
    return mounts;
}

void make_bind_sources(const std::vector<PlannedMount>& mounts) {
    for (const PlannedMount& mount : mounts)
        if (mount.type == PlannedMount::Type::bind && mount.create_source &&
            !sys::find_stat(mount.source))
            sys::mkdir_all(mount.source, 0755);
    check_bind_sources(mounts);
}

void check_bind_sources(const std::vector<PlannedMount>& mounts) {
    for (const PlannedMount& mount : mounts)
        if (mount.type == PlannedMount::Type::bind && !mount.create_source &&
            !sys::find_stat(mount.source))
            throw Error(ErrorKind::invalid_argument,
                        "invalid mount config for type \"bind\": bind source path does not exist: "
                        "{}",
                        mount.source);
}

std::vector<api::MountPoint> to_mount_points(const std::vector<PlannedMount>& mounts) {
    std::vector<api::MountPoint> points;
    for (const PlannedMount& mount : mounts) {
        api::MountPoint point;
        point.destination = mount.destination;
        point.rw = !mount.read_only;
        point.mode = mount.mode;
        if (mount.type == PlannedMount::Type::bind) {
            point.type = "bind";
            point.source = mount.source;
            point.propagation = mount.propagation.empty() ? "rprivate" : mount.propagation;
        } else if (mount.type == PlannedMount::Type::volume) {
            point.type = "volume";
            point.name = mount.volume;
            point.source = mount.source;
            point.driver = mount.driver;
            point.propagation = mount.propagation;
        } else if (mount.type == PlannedMount::Type::image) {
            point.type = "image";
            point.name = mount.image_id;
            point.source = mount.source;
            point.rw = false;
        } else {
            point.type = "tmpfs";
        }
        points.push_back(std::move(point));
    }
    return points;
}

oci::Mount to_spec_mount(const PlannedMount& mount) {
    oci::Mount result;
    result.destination = mount.destination;
    if (mount.type == PlannedMount::Type::tmpfs) {
        result.type = "tmpfs";
        result.source = "tmpfs";
        result.options = mount.options;
        return result;
    }
    result.type = "bind";
    result.source = mount.source;
    result.options.push_back(mount.recursive ? "rbind" : "bind");
    if (mount.read_only) result.options.push_back(mount.recursive_read_only ? "rro" : "ro");
    result.options.push_back(mount.propagation.empty() ? "rprivate" : mount.propagation);
    result.uid_mappings = mount.uid_mappings;
    result.gid_mappings = mount.gid_mappings;
    return result;
}

}  // namespace hull::engine
