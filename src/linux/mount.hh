#pragma once
#include "base/fd.hh"
#include "base/file.hh"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hull::linux_ {

/// Attributes to change on a mount, as mount_setattr(2) wants them.
struct MountAttributes {
    std::uint64_t set = 0, clear = 0;
    bool empty() const { return set == 0 && clear == 0; }
};

/// The options of one OCI mount, sorted by what they act on.
struct MountOptions {
    MountAttributes attributes;            ///< ro, nosuid, noatime, ...
    MountAttributes recursive_attributes;  ///< rro, rnosuid, ...
    bool bind = false;                     ///< bind or rbind
    bool recursive_bind = false;
    bool remount = false;
    bool idmap = false, recursive_idmap = false;
    bool copy_up = false;           ///< tmpcopyup
    std::uint64_t propagation = 0;  ///< MS_SHARED and its kin; 0: not given
    bool recursive_propagation = false;
    unsigned long super_flags = 0;  ///< MS_SYNCHRONOUS and the like, of the whole file system
    std::vector<std::string>
        data;  ///< everything else goes to the file system: "size=64k", "nodots"
};

/// Source: runtime-spec config.md, "Linux mount options". Throws invalid_argument on contradictions
/// that the kernel would only report as EINVAL.
MountOptions parse_mount_options(std::span<const std::string> options);
/// MS_PRIVATE etc. for "private", "rshared", ...; `recursive` says whether the name began with r.
struct Propagation {
    std::uint64_t type;
    bool recursive;
};
std::optional<Propagation> find_propagation(std::string_view name);
/// Names parse_mount_options knows, sorted (for `features`).
std::vector<std::string> list_mount_options();

/// A new file system instance, detached. `data` holds "key", "key=value".
/// Throws with the kernel's own message from the file system context when there is one.
Fd make_filesystem(const std::string& type, const std::string& source,
                   std::span<const std::string> data, MountAttributes attributes = {},
                   unsigned long super_flags = 0);

/// A detached copy of the mount at `path` (with everything below it when `recursive`).
/// `path` may be "" for `directory` itself. The last symlink is followed only if asked.
Fd clone_tree(int directory, const std::string& path, bool recursive, bool follow = true);
/// mount_setattr(2) on the mount `fd` refers to.
void set_mount_attributes(int fd, MountAttributes attributes, bool recursive);
void set_propagation(int fd, std::uint64_t type, bool recursive);
/// Gives a detached mount the id mapping of the user namespace `user_namespace`.
void set_idmap(int fd, int user_namespace, bool recursive);
/// Attaches `mount` on what `target` refers to.
void attach_mount(int mount, int target);
void attach_mount(int mount, int directory, const std::string& path);

/// Where a mount goes inside a root, made when missing. Symlinks, also hostile ones, are resolved
/// with `root` as "/"; magic links are refused. `is_directory` says what to make.
/// Returns an O_PATH descriptor.
Fd open_destination(int root, const std::string& path, bool is_directory);
/// O_PATH of `path` inside `root`; empty when missing.
Fd find_in_root(int root, const std::string& path, int flags = 0);

/// True when `fd` is on a file system of `magic` (PROC_SUPER_MAGIC, ...).
bool is_on_filesystem(int fd, long magic);

}  // namespace hull::linux_
