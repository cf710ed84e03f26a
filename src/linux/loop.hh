#pragma once
#include "base/fd.hh"
#include "base/file.hh"

namespace hull::linux_ {

/// A loop device that the kernel frees when its last user (we, then the mount) is gone.
class LoopDevice {
public:
    static LoopDevice attach(const Path& file, bool read_only = true);
    const Path& path() const { return path_; }

private:
    LoopDevice(Fd device, Path path) : device_(std::move(device)), path_(std::move(path)) {}
    Fd device_;
    Path path_;
};

}  // namespace hull::linux_
