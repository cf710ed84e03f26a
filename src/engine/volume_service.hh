#pragma once
#include "api/types/volume.hh"
#include "engine/cleaner.hh"
#include "engine/engine.hh"
#include "engine/events.hh"
#include "engine/planned_mount.hh"
#include "volume/volumes.hh"

#include <functional>
#include <string>
#include <vector>

namespace hull::engine {

/// What is done to all files of a volume.
class VolumeFiles {
public:
    virtual ~VolumeFiles() = default;
    /// A new volume with all that `name` has: blocks are shared where the file system can. As a
    /// `snapshot` it is labelled, and containers that use the volume are paused for the copy.
    virtual api::Volume clone_volume(const std::string& name, const std::string& new_name,
                                     bool snapshot, StopEvent& stop) = 0;
    /// The tar of a volume.
    virtual void export_volume(const std::string& name, const std::function<void()>& begin,
                               int output_fd, StopEvent& stop) = 0;
    /// A new volume with what a tar (also compressed) has.
    virtual api::Volume import_volume(const std::string& name, int input_fd, StopEvent& stop) = 0;
};

/// Volumes as the API shows them and as containers use them, with their events.
class VolumeService {
public:
    VolumeService(const Path& data_root, db::Database& database, EventBus& events, Cleaner& cleaner,
                  VolumeFiles& files);

    // The API.
    api::Volume create(const api::VolumeCreateRequest& request);
    api::Volume inspect(const std::string& name);
    /// Filters: dangling, driver, label, name.
    api::VolumeList list(const Filters& filters);
    void remove(const std::string& name, bool force);
    api::Volume rename(const std::string& name, const std::string& new_name);
    /// What was put together elsewhere becomes a volume.
    api::Volume place(volume::Volumes::Staging& staging, volume::Volume volume);
    /// Filters: label, label!, all. Without `all` only anonymous ones go.
    PruneReport prune(const Filters& filters, bool dry_run = false);
    /// Sorted by name, with sizes: walks the volumes.
    std::vector<api::Volume> usage();

    // Containers.
    /// Makes the volumes of a new container that are not there, holds all of them, and fills in
    /// name, driver and source. Undone when it throws.
    void take(std::vector<PlannedMount>& plan, const std::string& container_id);
    /// The container goes; with `remove_anonymous` so do those volumes of it that nobody has named
    /// and nobody else has.
    void give_back(const std::vector<PlannedMount>& plan, const std::string& container_id,
                   bool remove_anonymous);
    /// For a container that was loaded; a volume that is gone meanwhile is logged.
    void hold(const std::vector<PlannedMount>& plan, const std::string& container_id);
    /// For one that has gone on running without a daemon.
    void adopt_mounts(const std::vector<PlannedMount>& plan, const std::string& container_id);
    void drop_unused_mounts() { volumes_.drop_unused_mounts(); }
    /// Mounts the volumes for a start, and fills in where they are. Undone when it throws.
    void mount(std::vector<PlannedMount>& plan, const std::string& container_id);
    void unmount(const std::vector<PlannedMount>& plan, const std::string& container_id);

    volume::Volumes& volumes() { return volumes_; }
    VolumeFiles& files() { return files_; }

private:
    api::Volume view(const volume::Volume& volume);
    void publish(const std::string& name, std::string_view action,
                 std::map<std::string, std::string> attributes);

    volume::Volumes volumes_;
    EventBus& events_;
    Cleaner& cleaner_;
    VolumeFiles& files_;
};

/// Volumes mounted for some work of ours, as a container's start would: unmounted when it goes.
class MountedVolumes {
public:
    MountedVolumes(volume::Volumes& volumes, std::vector<PlannedMount> plan, std::string user);
    ~MountedVolumes();
    MountedVolumes(const MountedVolumes&) = delete;
    MountedVolumes& operator=(const MountedVolumes&) = delete;
    const std::vector<PlannedMount>& plan() const { return plan_; }

private:
    volume::Volumes& volumes_;
    std::vector<PlannedMount> plan_;
    const std::string user_;
    std::vector<std::string> mounted_;
};

}  // namespace hull::engine
