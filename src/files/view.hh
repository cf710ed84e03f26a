#pragma once
#include "base/fd.hh"
#include "files/request.hh"

/// Ways to see a container's root. What is mounted for them is detached or in a mount namespace of
/// this process alone: nobody else sees it and it goes with the process. For programs with one
/// thread.
namespace hull::files {

/// Puts this process into a mount namespace of its own. Once, before the rest.
void enter_private_mounts();

/// Where everything of this process is mounted: a tmpfs on the request's scratch directory, with
/// the directories root, upper, work, layers and source in it.
Path make_scratch(const Request& request);

/// The root (O_PATH) of a container that does not run, with its volumes and binds. Unless
/// `writable`, what is changed in it goes nowhere: the container's own layer is only read, so that
/// it may be started meanwhile.
Fd mount_stopped(const Request& request, bool writable);

/// The root of a running container without anything mounted in it. `mount_namespace` is its.
Fd clone_bare_root(int mount_namespace);

/// What lies below the container's own layer.
Fd mount_lowers(const Request& request);

}  // namespace hull::files
