#include "engine/mounts.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "engine/text.hh"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

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
            mount.copy_up = false;
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

/// True for a relative path that leaves where it begins.
bool is_outside(const std::string& path) {
    const Path clean = clean_path(path);
    return clean == ".." || clean.starts_with("../");
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
    PlannedMount mount;
    mount.type = PlannedMount::Type::volume;
    mount.volume = request.source;
    mount.anonymous = request.source.empty();
    mount.copy_up = true;
    mount.mode = "z";
    if (const auto& options = request.volume_options) {
        mount.copy_up = !options->no_copy;
        mount.labels = options->labels;
        mount.subpath = options->subpath;
        if (!mount.subpath.empty() && mount.anonymous)
            refuse_mount(request, "must not set Subpath when using anonymous volumes");
        if (mount.subpath.starts_with('/') || is_outside(mount.subpath))
            refuse_mount(request, "subpath must be a relative path within the volume");
        if (options->driver_config) {
            mount.driver = options->driver_config->name;
            mount.driver_options = options->driver_config->options;
        }
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
    for (const api::Mount& mount : host.mounts) add(plan_mount(mount));
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
    return result;
}

}  // namespace hull::engine
