#pragma once
#include "base/json.hh"

#include <optional>
#include <string>
#include <string_view>

namespace hull::cli {

/// One side of a copy as typed: `container:path`, or a path of ours when `container` is "".
struct CopyPlace {
    std::string container, path;
};
CopyPlace parse_copy_place(std::string_view text);

/// What is at one side.
struct CopyTarget {
    bool exists = false, is_directory = false;
};

/// Where the top of the copy comes to lie: `parent`/`name`, or with name "" the content of the
/// source goes right into `parent`.
struct CopyDestination {
    std::string parent, name;
};
/// The rules of `cp` (docker cp reference): a directory copied to a directory lands in it, unless
/// `source` ends in `/.`, then its content does; anything copied to a missing path takes its name.
/// Throws invalid_argument where source and destination do not fit.
CopyDestination choose_copy_destination(std::string_view source, bool source_is_directory,
                                        std::string_view destination, const CopyTarget& target);

/// The last part of a path, "" for "/" and for what ends in `.` or `..`.
std::string base_name(std::string_view path);
/// Everything before it: "/etc" of "/etc/passwd", "." of "passwd".
std::string parent_path(std::string_view path);

/// The header X-Docker-Container-Path-Stat: base64 of a JSON object. Mode bits are Go's FileMode.
struct PathStat {
    std::string name, link_target;
    bool is_directory = false, is_link = false;
};
/// Throws invalid_argument.
PathStat parse_path_stat(std::string_view header);

}  // namespace hull::cli
