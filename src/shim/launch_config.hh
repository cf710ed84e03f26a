#pragma once
#include "base/file.hh"
#include "linux/overlay.hh"

#include <cstdint>
#include <string>
#include <string_view>

namespace hull::shim {

/// Where the output of a container goes.
struct LogConfig {
    std::string driver = "local";      ///< "local", "json-file", "none", or what `program` sends
    Path directory;                    ///< made by the shim when missing; unused by "none"
    std::uint64_t max_size_bytes = 0;  ///< of one file; 0: 20 MB for local, unlimited for json-file
    unsigned max_files = 0;            ///< 0: 5 for local, 1 for json-file
    Path program = {};                 ///< hull-log, for a log that is sent away; "" for a file
    std::string target = {};           ///< where to, in the words of hull-log
    std::string attributes = {};  ///< JSON object that json-file puts into every entry; "": none
    bool keeps_copy = false;      ///< in `directory` as driver local does
};

/// All the shim needs beside the bundle's config.json. The engine writes it as BUNDLE/launch.json.
struct LaunchConfig {
    std::string id;
    Path bundle;
    Path runtime_directory;      ///< exec-root/containers/<id>: shim.sock and shim.json
    Path exit_file;              ///< where the exit record goes
    linux_::OverlayPlan rootfs;  ///< without lowers the bundle's own root.path is the root
    Path seccomp_filter;         ///< array of raw sock_filter; empty: spec.linux.seccomp
    Path init_program;           ///< hull-init for --init, or empty
    LogConfig log;
    bool terminal = false;
    bool open_stdin = false;  ///< otherwise standard input is /dev/null (or an idle terminal)
    bool stdin_once = false;  ///< the end of the first stdin client closes the container's stdin
    unsigned short rows = 0, columns = 0;  ///< initial size of the terminal, 0: unset
};

/// Where the exit record goes when `exit_file` cannot be written.
Path second_exit_file(const LaunchConfig& config);

/// Throws invalid_argument on anything missing or mistyped.
LaunchConfig parse_launch_config(std::string_view text);
std::string dump_launch_config(const LaunchConfig& config);

}  // namespace hull::shim
