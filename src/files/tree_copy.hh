#pragma once
#include "base/fd.hh"
#include "files/tree_tar.hh"

#include <sys/stat.h>

#include <map>
#include <string>
#include <vector>

namespace hull::files {

/// Copies a tree of a stranger into a directory, as root: owner, mode, times, extended attributes,
/// hard links within the tree, holes. Blocks are shared where the file system can (FICLONE).
/// Nothing is opened that was not looked at before, and nothing is written through what is there:
/// a name that is taken is an error.
class TreeCopy {
public:
    /// `target` (O_PATH) is lent.
    explicit TreeCopy(int target) : target_(target) {}

    /// Everything below the directory `source` (O_PATH), and its own owner, mode and times.
    void copy(int source);

private:
    void copy_children(int source, int target, const std::string& path, int depth);
    void copy_entry(int source, const struct stat& info, int parent, const std::string& name,
                    const std::string& path, int depth);
    void copy_content(int source, int parent, const std::string& name, std::uint64_t size);
    bool copy_as_link(const struct stat& info, int parent, const std::string& name,
                      const std::string& path);

    const int target_;
    bool can_share_blocks_ = true;
    std::map<FileId, std::string> linked_;  ///< where the first of several links was made
};

}  // namespace hull::files
