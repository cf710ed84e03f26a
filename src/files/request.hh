#pragma once
#include "base/file.hh"
#include "linux/overlay.hh"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hull::files {

/// What hull-files is to do with a container's files.
enum class Verb {
    stat,         ///< say what is at `path`
    read,         ///< write the tree at `path` as a tar to descriptor 1
    write,        ///< make the files that the records on descriptor 0 name below `path`
    export_root,  ///< the whole root without volumes, as a tar
    changes,      ///< Docker's list of changes, as JSON on descriptor 1
    layer,        ///< the container's own layer as the tar of an image layer
    copy_tree,    ///< copy each mount's source into its destination, both paths of the host
    copy_up,      ///< copy what the image has at each mount's destination into its source
    unpack,       ///< make the files that the records on descriptor 0 name in the directory `path`
    digest,       ///< write the listing of what `copies` take from their sources
    copy,         ///< write what `copies` make as the tar of an image layer
    waste,        ///< say what the topmost `own_layers` of `rootfs` store for nothing
};

/// What one COPY, ADD or WORKDIR of a build takes from where, and what it makes of it.
struct CopyPlan {
    Path source_directory;              ///< on the host; "" when it is `source_layers`
    linux_::OverlayPlan source_layers;  ///< of another stage or image
    std::vector<std::string> paths;     ///< as in the Dockerfile; none makes an empty directory
    bool literal = false;               ///< `paths` are names, without wildcards
    std::string destination;            ///< from the root; a "/" at the end makes it a directory
    bool look_below = true;             ///< false: `--link`, as if nothing were below
    bool keep_owner = false;            ///< else 0:0, unless `owner` says something else
    bool keep_links = false;            ///< hard links stay links
    bool parents = false;               ///< the directories of a path come along
    std::string owner;                  ///< "user[:group]" of --chown
    std::string mode;                   ///< of --chmod: octal or like "u=rwX,go=rX"
    std::vector<std::string> ignored;   ///< lines of .dockerignore, for the whole source
    std::vector<std::string> excluded;  ///< of --exclude
    std::int64_t mtime_s = 0;           ///< of everything that is made
    Path index;  ///< file that remembers the hashes of files that did not change; "" for none
};

/// A directory or file of the host that the container sees.
struct BindMount {
    Path source, destination;
    bool read_only = false;
    bool recursive = true;
};

/// Written by the daemon, read by hull-files: both are ours.
struct Request {
    Verb verb = Verb::stat;
    Path path;              ///< as the client typed it
    std::string container;  ///< as the client named it, for messages
    int parent_pid = 0;     ///< of the daemon: hull-files dies with it
    /// Descriptor 5 is the root of the running container and 6 its mount namespace. Otherwise the
    /// root is mounted from what follows.
    bool running = false;
    linux_::OverlayPlan rootfs;
    std::vector<BindMount> mounts;
    bool read_only_root = false;
    Path scratch;  ///< an empty directory to mount on, in a mount namespace of hull-files' own
    /// Directories whose mounts are the engine's, like /proc: listed, never descended into, unless
    /// they are what was asked for.
    std::vector<Path> hidden;
    bool keep_holes = false;       ///< of read: sparse files are written sparse
    bool keep_kinds = false;       ///< never replace a directory by something else, or the reverse
    std::string owner;             ///< "user[:group]" that new files get; "" as archived
    std::vector<CopyPlan> copies;  ///< of digest and copy, in their order
    std::uint64_t own_layers = 0;
    /// Of a layer: later times become this one; absent leaves them alone.
    std::optional<std::int64_t> newest_mtime_s;
    /// Of a layer: where something was mounted. What was only made to mount on stays out.
    std::vector<std::string> mount_points;
};

std::string dump_request(const Request& request);
Request parse_request(std::string_view text);

}  // namespace hull::files
