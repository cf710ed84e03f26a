#pragma once
#include "base/file.hh"
#include "volume/record.hh"

namespace hull::volume {

/// Throws invalid_argument with Docker's texts for options that the local driver does not have.
void check_local_options(const Volume& volume);
/// Whether there is something to mount before it can be used.
bool needs_mount(const Volume& volume);
/// Mounts on `target` what its options say: `type`, `device`, `o`. Throws with Docker's text.
void mount_local(const Volume& volume, const Path& target);
/// At once for everybody who looks, in the end when nobody has a file open.
void unmount_local(const Path& target);

}  // namespace hull::volume
