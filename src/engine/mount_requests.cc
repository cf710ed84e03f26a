#include "engine/mount_requests.hh"

#include "base/error.hh"
#include "engine/id_mapping.hh"
#include "engine/text.hh"

#include <algorithm>
#include <array>

namespace hull::engine {

namespace {

constexpr std::array propagations = {"private", "rprivate", "shared", "rshared", "slave", "rslave"};

[[noreturn]] void refuse(const api::Mount& mount, std::string_view reason) {
    throw Error(ErrorKind::invalid_argument, "invalid mount config for type \"{}\": {}", mount.type,
                reason);
}

void refuse_extra(const api::Mount& mount, std::string_view field, bool is_there) {
    if (is_there) refuse(mount, fmt::format("field {} must not be specified", field));
}

void check_absolute(const api::Mount& mount, const std::string& path) {
    if (!path.starts_with('/'))
        refuse(mount, fmt::format("invalid mount path: '{}' mount path must be absolute", path));
}

/// Docker's check before it looks: what lies there may still lead outside, which the kernel sees.
void check_subpath(const api::Mount& mount, const std::string& subpath) {
    if (subpath.empty()) return;
    const Path clean = clean_path(subpath);
    if (subpath.starts_with('/') || clean == ".." || clean.starts_with("../"))
        refuse(mount, "subpath must be a relative path within the volume");
}

void plan_bind(const api::Mount& request, PlannedMount& mount) {
    if (request.source.empty()) refuse(request, "field Source must not be empty");
    refuse_extra(request, "VolumeOptions", request.volume_options.has_value());
    refuse_extra(request, "ImageOptions", request.image_options.has_value());
    check_absolute(request, request.source);
    mount.type = PlannedMount::Type::bind;
    mount.source = clean_path(request.source);
    if (!request.bind_options) return;
    const api::BindOptions& options = *request.bind_options;
    if (!options.propagation.empty() && !is_propagation(options.propagation))
        refuse(request, "invalid propagation mode: " + options.propagation);
    mount.propagation = options.propagation;
    mount.recursive = !options.non_recursive;
    mount.create_source = options.create_mountpoint;
    mount.recursive_read_only = !options.read_only_non_recursive;
    mount.id_map = options.id_map;
}

void plan_tmpfs(const api::Mount& request, PlannedMount& mount) {
    refuse_extra(request, "BindOptions", request.bind_options.has_value());
    refuse_extra(request, "VolumeOptions", request.volume_options.has_value());
    refuse_extra(request, "ImageOptions", request.image_options.has_value());
    refuse_extra(request, "Source", !request.source.empty());
    mount.type = PlannedMount::Type::tmpfs;
    mount.options = {"noexec", "nosuid", "nodev"};
    if (const auto& options = request.tmpfs_options) {
        if (options->size_bytes > 0)
            mount.options.push_back(fmt::format("size={}", options->size_bytes));
        if (options->mode > 0) mount.options.push_back(fmt::format("mode={:o}", options->mode));
        for (const auto& pair : options->options) {
            if (pair.empty() || pair.size() > 2) refuse(request, "invalid option array");
            if (pair[0] == "exec") std::erase(mount.options, "noexec");
            mount.options.push_back(pair.size() == 2 ? pair[0] + "=" + pair[1] : pair[0]);
        }
    }
    if (request.read_only) mount.options.push_back("ro");
}

void plan_volume(const api::Mount& request, PlannedMount& mount) {
    refuse_extra(request, "BindOptions", request.bind_options.has_value());
    refuse_extra(request, "ImageOptions", request.image_options.has_value());
    mount.type = PlannedMount::Type::volume;
    mount.volume = request.source;
    mount.anonymous = request.source.empty();
    mount.copy_up = true;
    mount.mode.assign(1, 'z');
    if (const auto& options = request.volume_options) {
        mount.copy_up = !options->no_copy;
        mount.labels = options->labels;
        mount.subpath = options->subpath;
        if (!mount.subpath.empty() && mount.anonymous)
            refuse(request, "must not set Subpath when using anonymous volumes");
        check_subpath(request, mount.subpath);
        if (options->driver_config) {
            mount.driver = options->driver_config->name;
            mount.driver_options = options->driver_config->options;
        }
        mount.id_map = options->id_map;
    }
    if (request.read_only && mount.anonymous)
        refuse(request, "must not set ReadOnly mode when using anonymous volumes");
}

void plan_image(const api::Mount& request, PlannedMount& mount) {
    refuse_extra(request, "BindOptions", request.bind_options.has_value());
    refuse_extra(request, "VolumeOptions", request.volume_options.has_value());
    if (request.source.empty()) refuse(request, "field Source must not be empty");
    mount.type = PlannedMount::Type::image;
    mount.source = request.source;
    if (request.image_options) mount.subpath = request.image_options->subpath;
    check_subpath(request, mount.subpath);
}

}  // namespace

bool is_propagation(std::string_view word) {
    return std::find(propagations.begin(), propagations.end(), word) != propagations.end();
}

PlannedMount plan_mount_request(const api::Mount& request) {
    if (request.target.empty()) refuse(request, "field Target must not be empty");
    check_absolute(request, request.target);
    PlannedMount mount;
    mount.destination = clean_path(request.target);
    if (mount.destination == "/")
        refuse(request, "invalid specification: destination can't be '/'");
    if (request.type == "bind")
        plan_bind(request, mount);
    else if (request.type == "tmpfs")
        plan_tmpfs(request, mount);
    else if (request.type == "volume")
        plan_volume(request, mount);
    else if (request.type == "image")
        plan_image(request, mount);
    else if (request.type == "npipe" || request.type == "cluster")
        throw Error(ErrorKind::unsupported, "mount type {} is not supported on Linux without Swarm",
                    request.type);
    else
        refuse(request, "mount type unknown");
    if (!mount.id_map.empty()) check_id_map(mount.id_map);
    mount.read_only = request.read_only || mount.type == PlannedMount::Type::image;
    return mount;
}

}  // namespace hull::engine
