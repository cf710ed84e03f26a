#pragma once
#include "api/types/nullable.hh"
#include "base/file.hh"
#include "base/json.hh"

#include <string>
#include <vector>

namespace hull::engine {

/// One mount that the user, the image or another container asked for, as it is kept.
struct PlannedMount {
    enum class Type { bind, tmpfs, volume };
    Type type = Type::bind;
    Path source;             ///< host path of a bind; of a volume filled in while it is mounted
    std::string volume;      ///< name
    bool anonymous = false;  ///< nobody has named the volume: it goes with `rm -v`
    std::string driver;      ///< of the volume
    api::StringMap driver_options, labels;  ///< for a volume that is made
    std::string subpath;                    ///< what of the volume is mounted; "" is all
    Path destination;
    bool read_only = false;
    bool recursive = true;             ///< bind submounts, too
    bool recursive_read_only = true;   ///< submounts become read-only with a read-only bind
    bool create_source = false;        ///< `-v`: a missing source is made a directory
    bool copy_up = false;              ///< an empty volume gets what the image has there
    std::string propagation;           ///< "" is rprivate
    std::string mode;                  ///< of -v, as typed
    std::vector<std::string> options;  ///< of a tmpfs
};

json::Value to_json(const PlannedMount& mount);
PlannedMount parse_planned_mount(const json::Value& value);

}  // namespace hull::engine
