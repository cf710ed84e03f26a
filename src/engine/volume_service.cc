#include "engine/volume_service.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "engine/files.hh"
#include "engine/text.hh"

#include <algorithm>
#include <set>

namespace hull::engine {

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

bool is_volume(const PlannedMount& mount) { return mount.type == PlannedMount::Type::volume; }

api::StringMap to_api(const std::optional<volume::StringMap>& map) {
    return map ? api::StringMap(*map) : api::StringMap();
}

std::optional<volume::StringMap> from_api(const api::StringMap& map) {
    if (map.is_null()) return std::nullopt;
    return static_cast<const volume::StringMap&>(map);
}

void check_filters(const Filters& filters, std::initializer_list<std::string_view> known) {
    for (const auto& [name, values] : filters)
        if (std::find(known.begin(), known.end(), name) == known.end())
            throw Error(ErrorKind::invalid_argument, "invalid filter '{}'", name);
}

/// nullopt: not given. Docker's words for anything but one truth.
std::optional<bool> find_flag(const Filters& filters, const std::string& name) {
    const auto found = filters.find(name);
    if (found == filters.end() || found->second.empty()) return std::nullopt;
    std::optional<bool> result;
    for (const std::string& value : found->second) {
        const bool is_true = value == "1" || value == "true";
        if ((!is_true && value != "0" && value != "false") || (result && *result != is_true))
            throw Error(ErrorKind::invalid_argument, "invalid filter '{}={}'", name, value);
        result = is_true;
    }
    return result;
}

bool has_label(const volume::Volume& volume, const std::string& wanted) {
    const std::size_t equals = wanted.find('=');
    if (!volume.labels) return false;
    const auto label = volume.labels->find(wanted.substr(0, equals));
    return label != volume.labels->end() &&
           (equals == std::string::npos || label->second == wanted.substr(equals + 1));
}

/// How many of the filter's values hold: all, some, none are what callers ask for.
template <typename Holds>
bool all_hold(const Filters& filters, const std::string& name, Holds&& holds) {
    const auto found = filters.find(name);
    return found == filters.end() || std::all_of(found->second.begin(), found->second.end(), holds);
}
template <typename Holds>
bool any_holds(const Filters& filters, const std::string& name, Holds&& holds) {
    const auto found = filters.find(name);
    return found != filters.end() && std::any_of(found->second.begin(), found->second.end(), holds);
}

bool fits_labels(const volume::Volume& volume, const Filters& filters) {
    const auto holds = [&](const std::string& wanted) { return has_label(volume, wanted); };
    return all_hold(filters, "label", holds) && !any_holds(filters, "label!", holds);
}

}  // namespace

VolumeService::VolumeService(const Path& data_root, db::Database& database, EventBus& events,
                             Cleaner& cleaner, VolumeFiles& files)
    : volumes_({join(data_root, "volumes")}, database),
      events_(events),
      cleaner_(cleaner),
      files_(files) {}

void VolumeService::publish(const std::string& name, std::string_view action,
                            std::map<std::string, std::string> attributes) {
    api::EventMessage event;
    event.type = "volume";
    event.action = action;
    event.actor = {name, std::move(attributes)};
    events_.publish(std::move(event));
}

api::Volume VolumeService::view(const volume::Volume& volume) {
    api::Volume result;
    result.name = volume.name;
    result.driver = volume.driver;
    // Whole seconds, as Docker shows them.
    result.created_at = format_rfc3339(volume.created_ns / second_ns * second_ns);
    result.labels = to_api(volume.labels);
    result.options = to_api(volume.options);
    result.scope = volumes_.scope(volume);
    try {
        result.mountpoint = volumes_.find_path(volume);
    } catch (const Error& error) {  // its plugin is away
        log::info("volume {}: {}", volume.name, error.message());
    }
    return result;
}

// ---------------------------------------------------------------- the API

api::Volume VolumeService::create(const api::VolumeCreateRequest& request) {
    if (!request.cluster_volume_spec.is_null())
        throw Error(ErrorKind::unavailable,
                    "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm "
                    "join\" to connect this node to swarm and try again.");
    const volume::Created created =
        volumes_.create({request.name, request.driver, from_api(request.labels),
                         from_api(request.driver_opts), ""});
    if (created.is_new)
        publish(created.volume->name, "create", {{"driver", created.volume->driver}});
    return view(*created.volume);
}

api::Volume VolumeService::inspect(const std::string& name) {
    const volume::VolumePointer volume = volumes_.get_anywhere(name);
    api::Volume result = view(*volume);
    result.status = volumes_.status(*volume);
    return result;
}

api::VolumeList VolumeService::list(const Filters& filters) {
    check_filters(filters, {"dangling", "driver", "label", "name"});
    const std::optional<bool> dangling = find_flag(filters, "dangling");
    api::VolumeList result;
    std::vector<volume::VolumePointer> all = volumes_.list();
    std::vector<std::string> warnings;
    for (volume::VolumePointer& volume : volumes_.list_of_plugins(warnings))
        all.push_back(std::move(volume));
    if (!warnings.empty()) result.warnings = warnings;
    for (const volume::VolumePointer& volume : all) {
        if (!fits_labels(*volume, filters)) continue;
        if (filters.contains("driver") &&
            !any_holds(filters, "driver", [&](const auto& name) { return name == volume->driver; }))
            continue;
        if (filters.contains("name") && !any_holds(filters, "name", [&](const std::string& part) {
                return volume->name.find(part) != std::string::npos;
            }))
            continue;
        if (dangling && *dangling != volumes_.users(volume->name).empty()) continue;
        result.volumes.push_back(view(*volume));
    }
    return result;
}

void VolumeService::remove(const std::string& name, bool force) {
    volume::VolumePointer volume;
    try {
        volume = volumes_.get_anywhere(name);
    } catch (const Error&) {
        if (force) return;
        throw;
    }
    const Path leftover = volumes_.remove(name, force);
    publish(name, "destroy", {{"driver", volume->driver}});
    if (!leftover.empty()) cleaner_.add({name, {leftover}, ""});
}

api::Volume VolumeService::rename(const std::string& name, const std::string& new_name) {
    const volume::VolumePointer renamed = volumes_.rename(name, new_name);
    publish(new_name, "rename", {{"driver", renamed->driver}, {"oldName", name}});
    return view(*renamed);
}

api::Volume VolumeService::place(volume::Volumes::Staging& staging, volume::Volume volume) {
    const volume::VolumePointer placed = volumes_.place(staging, std::move(volume));
    publish(placed->name, "create", {{"driver", placed->driver}});
    return view(*placed);
}

PruneReport VolumeService::prune(const Filters& filters, bool dry_run) {
    check_filters(filters, {"all", "label", "label!"});
    const bool all = find_flag(filters, "all").value_or(false);
    PruneReport report;
    for (const volume::VolumePointer& volume : volumes_.list()) {
        if (!all && !volume->is_anonymous()) continue;
        if (!fits_labels(*volume, filters) || !volumes_.users(volume->name).empty()) continue;
        // Docker touches only what lies on this host.
        if (volume->driver != volume::local_driver) continue;
        const std::uint64_t bytes = tree_bytes(volumes_.find_path(*volume));
        try {
            if (!dry_run) remove(volume->name, false);
        } catch (const Error& error) {  // somebody has taken or removed it meanwhile
            log::info("pruning volumes: {}", error.message());
            continue;
        }
        report.deleted.push_back(volume->name);
        report.freed_bytes += bytes;
    }
    if (dry_run) return report;
    publish("", "prune", {{"reclaimed", std::to_string(report.freed_bytes)}});
    return report;
}

std::vector<api::Volume> VolumeService::usage() {
    std::vector<api::Volume> all;
    for (const volume::VolumePointer& volume : volumes_.list()) {
        if (volume->driver != volume::local_driver) continue;
        api::Volume& result = all.emplace_back(view(*volume));
        result.usage_data =
            api::VolumeUsageData{static_cast<std::int64_t>(volumes_.users(volume->name).size()),
                                 static_cast<std::int64_t>(tree_bytes(result.mountpoint))};
    }
    return all;
}

// ---------------------------------------------------------------- containers

void VolumeService::take(std::vector<PlannedMount>& plan, const std::string& container_id) {
    std::vector<PlannedMount> taken;
    try {
        for (PlannedMount& mount : plan) {
            if (!is_volume(mount)) continue;
            volume::CreateRequest request{mount.volume, mount.driver, from_api(mount.labels),
                                          from_api(mount.driver_options), container_id};
            const volume::Created created = volumes_.create(request);
            mount.volume = created.volume->name;
            mount.driver = created.volume->driver;
            mount.source = view(*created.volume).mountpoint;
            mount.copy_up &= mount.subpath.empty();
            taken.push_back(mount);
            if (created.is_new) publish(mount.volume, "create", {{"driver", mount.driver}});
        }
    } catch (...) {
        give_back(taken, container_id, true);
        throw;
    }
}

void VolumeService::give_back(const std::vector<PlannedMount>& plan,
                              const std::string& container_id, bool remove_anonymous) {
    for (const PlannedMount& mount : plan)
        if (is_volume(mount)) volumes_.release(mount.volume, container_id);
    if (!remove_anonymous) return;
    for (const PlannedMount& mount : plan) {
        if (!is_volume(mount) || !mount.anonymous) continue;
        try {
            remove(mount.volume, false);
        } catch (const Error& error) {
            // Another container has it by --volumes-from, or somebody was faster.
            if (error.kind() != ErrorKind::conflict && error.kind() != ErrorKind::not_found)
                log::warning("removing the volumes of container {}: {}", container_id,
                             error.message());
        }
    }
}

void VolumeService::hold(const std::vector<PlannedMount>& plan, const std::string& container_id) {
    for (const PlannedMount& mount : plan) {
        if (!is_volume(mount)) continue;
        try {
            volumes_.hold(mount.volume, container_id);
        } catch (const Error& error) {
            log::warning("container {}: {}", container_id, error.message());
        }
    }
}

void VolumeService::adopt_mounts(const std::vector<PlannedMount>& plan,
                                 const std::string& container_id) {
    for (const PlannedMount& mount : plan)
        if (is_volume(mount)) volumes_.adopt_mount(mount.volume, container_id);
}

void VolumeService::mount(std::vector<PlannedMount>& plan, const std::string& container_id) {
    std::vector<PlannedMount> mounted;
    try {
        for (PlannedMount& mount : plan) {
            if (!is_volume(mount)) continue;
            mount.source = volumes_.mount(mount.volume, container_id);
            mounted.push_back(mount);
            publish(mount.volume, "mount",
                    {{"container", container_id},
                     {"destination", mount.destination},
                     {"driver", mount.driver},
                     {"propagation", mount.propagation},
                     {"read/write", mount.read_only ? "false" : "true"}});
        }
    } catch (...) {
        unmount(mounted, container_id);
        throw;
    }
}

void VolumeService::unmount(const std::vector<PlannedMount>& plan,
                            const std::string& container_id) {
    for (const PlannedMount& mount : plan) {
        if (!is_volume(mount)) continue;
        volumes_.unmount(mount.volume, container_id);
        publish(mount.volume, "unmount", {{"container", container_id}, {"driver", mount.driver}});
    }
}

// ---------------------------------------------------------------- work of ours

MountedVolumes::MountedVolumes(volume::Volumes& volumes, std::vector<PlannedMount> plan,
                               std::string user)
    : volumes_(volumes), plan_(std::move(plan)), user_(std::move(user)) {
    try {
        for (PlannedMount& mount : plan_) {
            if (!is_volume(mount)) continue;
            mount.source = volumes_.mount(mount.volume, user_);
            mounted_.push_back(mount.volume);
        }
    } catch (...) {
        for (const std::string& name : mounted_) volumes_.unmount(name, user_);
        throw;
    }
}

MountedVolumes::~MountedVolumes() {
    try {
        for (const std::string& name : mounted_) volumes_.unmount(name, user_);
    } catch (const std::exception& error) {
        log::warning("unmounting volumes: {}", error.what());
    }
}

}  // namespace hull::engine
