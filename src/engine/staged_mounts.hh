#pragma once
#include "base/file.hh"
#include "engine/planned_mount.hh"
#include "store/store.hh"

#include <vector>

namespace hull::engine {

/// Places on the host for what a container mounts that has no path of its own: parts of volumes
/// (found by the kernel within the volume, whatever links lie in it) and images. They are there for
/// the time of a start; the container has copies then.
class StagedMounts {
public:
    /// `directory`: exec-root/mounts.
    explicit StagedMounts(Path directory) : directory_(std::move(directory)) {}
    ~StagedMounts();
    StagedMounts(const StagedMounts&) = delete;
    StagedMounts& operator=(const StagedMounts&) = delete;

    /// Volumes are mounted already; fills in where things are.
    void stage(std::vector<PlannedMount>& plan, store::Store& store);

    /// Puts texts on a tmpfs of the container's own and adds them to the plan, read-only.
    struct SecretFile {
        Path destination;
        std::string text;
        uid_t uid = 0;
        gid_t gid = 0;
        mode_t mode = 0400;
    };
    void stage_secrets(std::vector<PlannedMount>& plan, const std::vector<SecretFile>& files);

    /// What a daemon that was killed in between has left.
    static void clear(const Path& directory);

private:
    Path add(int mount, bool is_directory);
    Path stage_subpath(const Path& source, const std::string& subpath);
    Path stage_image(const PlannedMount& mount, store::Store& store);

    const Path directory_;
    Path own_;  ///< made with the first
    std::vector<Path> places_;
};

/// Docker's checks that cannot be made before the sources are there: binds with shared or slave
/// propagation need a source that is on such a mount.
void check_propagation(const std::vector<PlannedMount>& plan);

/// Fills in the id mappings of mounts that have one. `user`: of the container, as configured.
void map_ids(std::vector<PlannedMount>& plan, const std::string& user);

}  // namespace hull::engine
