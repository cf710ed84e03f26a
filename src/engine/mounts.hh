#pragma once
#include "api/types/container.hh"
#include "base/file.hh"
#include "engine/record.hh"
#include "oci/runtime_spec.hh"

#include <map>
#include <string>
#include <vector>

namespace hull::engine {

/// One mount that the user or the image asked for.
struct PlannedMount {
    enum class Type { bind, tmpfs, volume };
    Type type = Type::bind;
    Path source;         ///< host path of a bind; filled in for a volume by `volume_directory`
    std::string volume;  ///< name of an anonymous volume
    Path destination;
    bool read_only = false;
    bool recursive = true;             ///< bind submounts, too
    bool recursive_read_only = true;   ///< submounts become read-only with a read-only bind
    bool create_source = false;        ///< `-v`: a missing source is made a directory
    bool copy_up = false;              ///< a new volume gets what the image has there
    std::string propagation;           ///< "" is rprivate
    std::string mode;                  ///< of -v, as typed
    std::vector<std::string> options;  ///< of a tmpfs
};

/// Binds, Mounts, Tmpfs and Volumes of a container, ordered so that a parent comes before what is
/// mounted below it. `volumes` gives the names of its anonymous volumes by destination; a
/// destination without one gets a new name there. Throws invalid_argument with Docker's texts, and
/// unsupported for named volumes.
std::vector<PlannedMount> plan_mounts(const api::ContainerConfig& config,
                                      const api::HostConfig& host,
                                      std::map<std::string, std::string>& volumes);
/// Throws invalid_argument when a `--mount type=bind` has no source on this host.
void check_bind_sources(const std::vector<PlannedMount>& mounts);

Path volume_directory(const Path& data_root, const std::string& volume);
std::vector<api::MountPoint> to_mount_points(const std::vector<PlannedMount>& mounts,
                                             const Path& data_root);
oci::Mount to_spec_mount(const PlannedMount& mount, const Path& data_root);

}  // namespace hull::engine
