#pragma once
#include "base/fd.hh"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace hull::compose {

/// Tells which files below some directories change (inotify(7)); directories made later, too.
class FileWatch {
public:
    FileWatch();
    /// Watches a file, or a directory with all below it.
    void add(const std::string& path);
    int fd() const { return fd_.get(); }
    /// Paths that changed since the last call, gone ones included. Does not block.
    std::set<std::string> take();

private:
    void add_tree(const std::string& directory, std::set<std::string>* found);
    Fd fd_;
    std::map<int, std::string> directories_;              ///< by watch descriptor
    std::map<std::string, std::set<std::string>> files_;  ///< of a directory: only these names
};

/// True when `path`, relative to a watched path, is matched by one of `patterns` as .dockerignore
/// matches: * and ? within a name, ** across, a directory with all below it, ! makes exceptions.
bool matches_any(const std::string& path, const std::vector<std::string>& patterns);

}  // namespace hull::compose
