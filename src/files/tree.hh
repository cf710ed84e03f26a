#pragma once
#include "archive/tar_entry.hh"
#include "base/fd.hh"
#include "files/path_stat.hh"

#include <sys/stat.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Looking at files of strangers as root: everything is opened with O_PATH first, which has no
/// effect on anything, and only regular files and directories are then opened to be read, by way of
/// /proc/self/fd, so that what is read is what was looked at.
namespace hull::files {

/// What is at a path of a root, the last link not followed unless the path ends in "/" or "/.".
struct Place {
    Fd fd;  ///< O_PATH
    struct stat info {};
    std::string name;  ///< last component as typed
};
/// Links on the way are followed inside `root`. nullopt when nothing is there; throws
/// invalid_argument when something on the way is no directory.
std::optional<Place> find_place(int root, const std::string& path);
PathStat describe_place(int root, const std::string& path, const Place& place);

/// "/proc/self/fd/N": reaches the file itself, also a link.
std::string path_of(int fd);
/// Opens what the O_PATH descriptor refers to; never waits for a writer.
Fd reopen(int fd, int flags);
/// O_PATH of `name` in `directory`; empty when it is gone.
Fd find_child(int directory, const std::string& name);
/// The regular file `name` in `directory`, to be read; empty when it is gone or something else.
/// Only for a name that was a regular file a moment ago.
Fd find_file_to_read(int directory, const std::string& name);
/// Names in the directory that the O_PATH descriptor refers to, sorted by bytes.
std::vector<std::string> list_names(int directory);
std::string read_link(int fd);

/// One extended attribute; "" when it has none or cannot have any.
std::string find_xattr(int fd, const char* name);
/// Those that belong to the file: not overlayfs's own, and not the host's security labels.
std::map<std::string, std::string> read_xattrs(int fd);

/// nullopt for sockets, which archives cannot hold.
std::optional<archive::EntryType> entry_type(mode_t mode);
/// The tar entry of what `fd` refers to.
archive::Entry make_entry(int fd, const struct stat& info, archive::EntryType type,
                          std::string name);

}  // namespace hull::files
