#include "engine/mounts.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "engine/text.hh"

#include <algorithm>
#include <array>
#include <set>

namespace hull::engine {

namespace {

constexpr std::array propagations = {"private", "rprivate", "shared", "rshared", "slave", "rslave"};

bool is_propagation(std::string_view word) {
    return std::find(propagations.begin(), propagations.end(), word) != propagations.end();
}

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
        } else {
            throw Error(ErrorKind::invalid_argument, "invalid mode: {}", mode);
        }
    }
}

PlannedMount parse_bind(const std::string& bind) {
    std::vector<std::string> parts = split(bind, ':');
    if (parts.size() < 2 || parts.size() > 3 || parts[0].empty() || parts[1].empty())
        refuse_bind(bind);
    PlannedMount mount;
    mount.destination = checked_destination(parts[1], bind);
    if (!parts[0].starts_with('/'))
        throw Error(ErrorKind::unsupported,
                    "named volumes are not supported yet: mount an absolute path instead of '{}'",
                    parts[0]);
    mount.source = clean_path(parts[0]);
    mount.create_source = true;
    if (parts.size() == 3) {
        mount.mode = parts[2];
        apply_bind_mode(mount, parts[2], bind);
    }
    return mount;
}

[[noreturn]] void refuse_mount(const api::Mount& mount, std::string_view reason) {
    throw Error(ErrorKind::invalid_argument, "invalid mount config for type \"{}\": {}", mount.type,
                reason);
}

PlannedMount plan_bind(const api::Mount& request) {
    PlannedMount mount;
    if (request.source.empty()) refuse_mount(request, "field Source must not be empty");
    if (!request.source.starts_with('/'))
        refuse_mount(request, fmt::format("invalid mount path: '{}' mount path must be absolute",
                                          request.source));
    mount.source = clean_path(request.source);
    if (const auto& options = request.bind_options) {
        if (!options->propagation.empty() && !is_propagation(options->propagation))
            refuse_mount(request, "invalid propagation mode: " + options->propagation);
        mount.propagation = options->propagation;
        mount.recursive = !options->non_recursive;
        mount.create_source = options->create_mountpoint;
        mount.recursive_read_only = !options->read_only_non_recursive;
    }
    return mount;
}

PlannedMount plan_tmpfs(const api::Mount& request) {
    PlannedMount mount;
    mount.type = PlannedMount::Type::tmpfs;
    if (!request.source.empty()) refuse_mount(request, "field Source must not be specified");
    mount.options = {"noexec", "nosuid", "nodev"};
    if (const auto& options = request.tmpfs_options) {
        if (options->size_bytes > 0)
            mount.options.push_back(fmt::format("size={}", options->size_bytes));
        if (options->mode > 0) mount.options.push_back(fmt::format("mode={:o}", options->mode));
        for (const auto& pair : options->options) {
            if (pair.empty() || pair.size() > 2) refuse_mount(request, "invalid option");
            if (pair[0] == "exec") std::erase(mount.options, "noexec");
            mount.options.push_back(pair.size() == 2 ? pair[0] + "=" + pair[1] : pair[0]);
        }
    }
    if (request.read_only) mount.options.push_back("ro");
    return mount;
}

PlannedMount plan_volume(const api::Mount& request) {
    if (!request.source.empty())
        throw Error(ErrorKind::unsupported,
                    "named volumes are not supported yet: leave out the source '{}'",
                    request.source);
    PlannedMount mount;
    mount.type = PlannedMount::Type::volume;
    mount.copy_up = true;
    if (const auto& options = request.volume_options) {
        mount.copy_up = !options->no_copy;
        if (!options->subpath.empty())
            throw Error(ErrorKind::unsupported, "volume subpaths are not supported yet");
        if (options->driver_config && !options->driver_config->name.empty() &&
            options->driver_config->name != "local")
            throw Error(ErrorKind::unsupported, "volume driver {} is not supported yet",
                        options->driver_config->name);
    }
    return mount;
}

PlannedMount plan_mount(const api::Mount& request) {
    if (request.target.empty()) refuse_mount(request, "field Target must not be empty");
    if (!request.target.starts_with('/'))
        refuse_mount(request, fmt::format("invalid mount path: '{}' mount path must be absolute",
                                          request.target));
    PlannedMount mount;
    if (request.type == "bind")
        mount = plan_bind(request);
    else if (request.type == "tmpfs")
        mount = plan_tmpfs(request);
    else if (request.type == "volume")
        mount = plan_volume(request);
    else if (request.type == "image" || request.type == "npipe" || request.type == "cluster")
        throw Error(ErrorKind::unsupported, "mount type {} is not supported yet", request.type);
    else
        throw Error(ErrorKind::invalid_argument, "mount type unknown: \"{}\"", request.type);
    mount.destination = clean_path(request.target);
    if (mount.destination == "/")
        refuse_mount(request, "invalid specification: destination can't be '/'");
    mount.read_only = request.read_only;
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
                                      std::map<std::string, std::string>& volumes) {
    std::vector<PlannedMount> mounts;
    std::set<Path> taken;
    auto add = [&](PlannedMount mount) {
        if (!taken.insert(mount.destination).second)
            throw Error(ErrorKind::invalid_argument, "Duplicate mount point: {}",
                        mount.destination);
        mounts.push_back(std::move(mount));
    };
    for (const std::string& bind : host.binds) add(parse_bind(bind));
    for (const api::Mount& mount : host.mounts) add(plan_mount(mount));
    for (const auto& [destination, options] : host.tmpfs) add(plan_tmpfs(destination, options));
    for (const std::string& path : config.volumes) {
        PlannedMount mount;
        mount.type = PlannedMount::Type::volume;
        mount.destination = checked_destination(path, path);
        mount.copy_up = true;
        if (taken.insert(mount.destination).second) mounts.push_back(std::move(mount));
    }
    for (PlannedMount& mount : mounts) {
        if (mount.type != PlannedMount::Type::volume) continue;
        std::string& name = volumes[mount.destination];
        if (name.empty()) name = random_hex(32);
        mount.volume = name;
    }
    std::stable_sort(mounts.begin(), mounts.end(), [](const auto& a, const auto& b) {
        return depth(a.destination) < depth(b.destination);
    });
    return mounts;
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

Path volume_directory(const Path& data_root, const std::string& volume) {
    return join(join(data_root, "volumes"), volume) + "/_data";
}

std::vector<api::MountPoint> to_mount_points(const std::vector<PlannedMount>& mounts,
                                             const Path& data_root) {
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
            point.source = volume_directory(data_root, mount.volume);
            point.driver = "local";
        } else {
            point.type = "tmpfs";
        }
        points.push_back(std::move(point));
    }
    return points;
}

oci::Mount to_spec_mount(const PlannedMount& mount, const Path& data_root) {
    oci::Mount result;
    result.destination = mount.destination;
    if (mount.type == PlannedMount::Type::tmpfs) {
        result.type = "tmpfs";
        result.source = "tmpfs";
        result.options = mount.options;
        return result;
    }
    result.type = "bind";
    result.source = mount.type == PlannedMount::Type::volume
                        ? volume_directory(data_root, mount.volume)
                        : mount.source;
    result.options.push_back(mount.recursive ? "rbind" : "bind");
    if (mount.read_only) result.options.push_back(mount.recursive_read_only ? "rro" : "ro");
    result.options.push_back(mount.propagation.empty() ? "rprivate" : mount.propagation);
    return result;
}

}  // namespace hull::engine
