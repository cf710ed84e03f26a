#pragma once
#include "base/file.hh"
#include "linux/overlay.hh"

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
    bool keep_kinds = false;  ///< never replace a directory by something else, or the reverse
    std::string owner;        ///< "user[:group]" that new files get; "" as archived
};

std::string dump_request(const Request& request);
Request parse_request(std::string_view text);

}  // namespace hull::files
