#pragma once
#include "base/file.hh"

#include <sys/stat.h>

#include <optional>
#include <string>
#include <unordered_map>

namespace hull::files {

/// Hashes of files that were read before, by path. A file whose identity, size and times are the
/// same has the same content, unless it was changed in the very moment it was read: such entries
/// are not kept. A damaged index is an empty one.
class CopyIndex {
public:
    explicit CopyIndex(Path file);
    /// The hash of the file at `path` when `info` is still what it was.
    std::optional<std::string> find(const std::string& path, const struct stat& info);
    void add(const std::string& path, const struct stat& info, const std::string& hash);
    /// Replaces the file when something was added. What was not asked for stays.
    void save();

private:
    struct Entry {
        std::uint64_t device = 0, inode = 0, size = 0;
        std::int64_t mtime_ns = 0, ctime_ns = 0;
        std::string hash;
    };
    const Path file_;
    std::int64_t opened_ns_ = 0;
    bool changed_ = false;
    std::unordered_map<std::string, Entry> entries_;
};

}  // namespace hull::files
