#pragma once
#include "base/file.hh"
#include "volume/record.hh"

namespace hull::volume {

/// Throws invalid_argument with Docker's texts for options that the local driver does not have.
void check_local_options(const Volume& volume);
/// Whether there is something to mount before it can be used.
bool needs_mount(const Volume& volume);
/// The limit that its `size` sets in bytes; 0: none.
std::uint64_t size_limit(const Volume& volume);
/// Gives the root of its files the owner and mode of its options.
void set_ownership(const Volume& volume, const Path& target);
/// Makes the file with the file system of a volume that has a limit, unless it is there, and its
/// root's owner and mode. Throws unsupported without mkfs.ext4.
void ensure_image(const Volume& volume, const Path& image, const Path& target);
void mount_image(const Path& image, const Path& target);
/// Mounts on `target` what its options say: `type`, `device`, `o`. Throws with Docker's text.
void mount_local(const Volume& volume, const Path& target);
/// At once for everybody who looks, in the end when nobody has a file open.
void unmount_local(const Path& target);

}  // namespace hull::volume
