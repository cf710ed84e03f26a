#pragma once
#include "api/types/container.hh"
#include "base/file.hh"
#include "engine/planned_mount.hh"
#include "engine/record.hh"
#include "oci/runtime_spec.hh"

#include <string>
#include <vector>

namespace hull::engine {

/// Binds, Mounts, Tmpfs and Volumes of a container over those that it takes from others
/// (`inherited`), ordered so that a parent comes before what is mounted below it. Anonymous volumes
/// have no name yet. Throws invalid_argument with Docker's texts.
std::vector<PlannedMount> plan_mounts(const api::ContainerConfig& config,
                                      const api::HostConfig& host,
                                      const std::vector<PlannedMount>& inherited = {});
/// What another container gets of `plan` by --volumes-from; `mode` is what follows the colon.
/// Throws invalid_argument for one that is no mode.
std::vector<PlannedMount> inherit_mounts(const std::vector<PlannedMount>& plan,
                                         const std::string& mode);
/// Makes the sources that -v makes and checks the others, for a start.
void make_bind_sources(const std::vector<PlannedMount>& mounts);
/// Throws invalid_argument when a `--mount type=bind` has no source on this host.
void check_bind_sources(const std::vector<PlannedMount>& mounts);

std::vector<api::MountPoint> to_mount_points(const std::vector<PlannedMount>& mounts);
oci::Mount to_spec_mount(const PlannedMount& mount);

}  // namespace hull::engine
