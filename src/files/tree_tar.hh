#pragma once
#include "archive/tar_writer.hh"
#include "files/tree.hh"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace hull::files {

/// A file whatever its name.
using FileId = std::pair<dev_t, ino_t>;

/// Writes trees as tar, every directory sorted, so that equal trees give equal bytes. Hard links
/// within what is written stay links. What vanishes meanwhile is left out; a file that shrinks is
/// filled up with zeros, because its size has been said. Holds the names of one directory per
/// level in memory, and one name per file with several links.
class TreeTar {
public:
    struct Options {
        /// An upper directory of overlayfs becomes the changeset of an image layer: whiteouts and
        /// opaque directories as image-spec's layer.md names them.
        bool is_layer = false;
        std::set<FileId> hidden = {};  ///< directories that are written without their content
        std::optional<std::int64_t> newest_mtime_s = {};  ///< later times become this one
        /// Of a layer, without slash in front: what is empty there was made to mount on.
        std::set<std::string> mount_points = {};
        bool keep_holes = false;  ///< sparse files are written sparse, else as zeros
    };
    TreeTar(archive::TarWriter& tar, Options options) : tar_(tar), options_(std::move(options)) {}

    /// `fd` (O_PATH) itself as `name`, and everything below it.
    void add(int fd, const std::string& name);
    /// Only what is below the directory `fd`. `prefix` is "" or ends in a slash.
    void add_children(int fd, const std::string& prefix, int depth = 0);

private:
    void add_entry(int fd, const struct stat& info, const std::string& name, int depth);
    void add_content(int fd, std::uint64_t size);
    void add_stretches(int fd, const archive::Entry& entry);
    bool was_made_to_mount(int fd, const struct stat& info, const std::string& name) const;
    void add_whiteout(const std::string& prefix, const std::string& name);
    bool add_as_link(archive::Entry& entry, const struct stat& info);

    archive::TarWriter& tar_;
    const Options options_;
    std::map<FileId, std::string> linked_;  ///< the first name of files that have several
    std::vector<std::byte> buffer_ = std::vector<std::byte>(256UL << 10);
};

}  // namespace hull::files
