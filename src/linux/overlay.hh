#pragma once
#include "base/fd.hh"
#include "base/file.hh"

#include <vector>

namespace hull::linux_ {

/// One read-only layer of a root file system.
struct LowerLayer {
    enum class Kind { erofs_image, directory };
    Kind kind = Kind::erofs_image;
    Path path;  ///< the image file, or the directory
};

/// What a root file system is made of. Without `upper` it is read-only.
struct OverlayPlan {
    std::vector<LowerLayer> lowers;  ///< topmost first, at least one
    Path upper, work;
    bool is_volatile = false;  ///< no sync at unmount: a host crash may lose the upper directory
};

/// Mounts the overlay detached and returns its mount descriptor (for move_mount). EROFS images are
/// mounted by file where the kernel can (6.12), else through a loop device that frees itself.
/// Kernels without the overlay options of the new mount API get the layers attached under
/// `scratch`, which must be a private directory of the caller's own mount namespace. With
/// `user_namespace` every layer and the upper directory get its id mapping (kernel 6.13). Throws
/// with the layer or option that failed.
Fd mount_overlay(const OverlayPlan& plan, const Path& scratch, int user_namespace = -1);

/// Its first half: every layer's own mount, detached. A process that joins a devices cgroup calls
/// it before: loop devices (kernels before 6.12) are out of reach afterwards.
std::vector<Fd> mount_layers(const OverlayPlan& plan, int user_namespace = -1);
/// Its second half, over what mount_layers gave.
Fd mount_overlay(const OverlayPlan& plan, std::vector<Fd> layers, const Path& scratch);

/// The same as kernels before 6.13 need it: layers attached under `scratch` and mount(2), as an
/// option of the new mount API is of 255 bytes at most there and the paths of three layers are
/// more.
Fd mount_overlay_by_path(const OverlayPlan& plan, const std::vector<Fd>& layers,
                         const Path& scratch);

/// One layer's own detached mount.
Fd mount_layer(const LowerLayer& layer, int user_namespace = -1);

/// Mounts one EROFS image read-only and detached.
Fd mount_erofs(const Path& image);

/// Whether an overlay made in another mount namespace may use a detached mount of ours as a layer
/// (kernel 6.15).
bool can_share_mounts();

}  // namespace hull::linux_
