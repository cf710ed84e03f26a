#pragma once
#include "api/types/host_config.hh"
#include "base/fd.hh"
#include "base/file.hh"
#include "build/cache.hh"
#include "linux/overlay.hh"

#include <memory>
#include <string>
#include <vector>

namespace hull::build {

/// A directory that goes with this, with what is mounted on it.
class TemporaryDirectory {
public:
    explicit TemporaryDirectory(Path path) : path_(std::move(path)) {}
    TemporaryDirectory(TemporaryDirectory&& other) noexcept
        : path_(std::exchange(other.path_, {})) {}
    TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
    ~TemporaryDirectory();
    const Path& path() const { return path_; }

private:
    Path path_;
};

/// What a RUN has mounted, and what keeps it there until the step is over.
struct StepMounts {
    std::vector<api::Mount> mounts;
    std::vector<std::string> environment;
    std::vector<std::unique_ptr<Cache::Turn>> turns;  ///< of caches that one step uses at a time
    std::vector<TemporaryDirectory> directories;

    std::vector<std::string> targets() const;
    void add(std::string type, Path source, std::string target, bool read_only);
};

/// Mounts `plan` below `directory`, which is ours and empty, where the host sees it, and returns
/// the path of `inside` in it; links lead nowhere outside. With `writable` what is changed there
/// goes with the directory.
Path mount_tree(linux_::OverlayPlan plan, const Path& directory, const std::string& inside,
                bool writable);
/// The path of `inside` in `root`, links followed within it. Throws not_found.
Path resolve_inside(const Path& root, const std::string& inside);
/// Unmounts what a daemon before us left below `parent`, and removes it.
void remove_mounted_trees(const Path& parent);

}  // namespace hull::build
