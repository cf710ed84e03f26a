#include "base/sys.hh"
#include "base/time.hh"
#include "engine/implementation.hh"
#include "engine/mounts.hh"

namespace hull::engine {

namespace {

std::int64_t modified_ns(const Path& path) {
    const auto info = sys::find_stat(path);
    return info ? info->st_mtim.tv_sec * 1'000'000'000 + info->st_mtim.tv_nsec : 0;
}

}  // namespace

std::uint64_t Engine::Implementation::layer_bytes() {
    std::uint64_t bytes = 0;
    for (const store::Layer& layer : store_.list_layers()) bytes += layer.content_bytes;
    return bytes;
}

std::vector<api::VolumeUsage> Engine::Implementation::volume_usage() {
    std::map<std::string, std::int64_t> users;
    for (const ContainerPointer& container : table_.list())
        for (const api::MountPoint& mount : container->snapshot()->definition->mounts)
            if (mount.type == "volume") ++users[mount.name];
    std::vector<api::VolumeUsage> usage;
    const Path directory = join(options_.data_root, "volumes");
    for (const std::string& name : find_names(directory)) {
        const Path data = volume_directory(options_.data_root, name);
        if (!sys::find_stat(data)) continue;  // removed in this moment
        api::VolumeUsage& volume = usage.emplace_back();
        volume.name = name;
        volume.mountpoint = data;
        volume.created_at = format_rfc3339(modified_ns(join(directory, name)));
        volume.size = static_cast<std::int64_t>(tree_bytes(data));
        volume.ref_count = users[name];
    }
    return usage;
}

}  // namespace hull::engine
