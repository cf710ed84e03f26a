#pragma once
#include "api/types/nullable.hh"
#include "base/file.hh"
#include "base/json.hh"
#include "oci/runtime_spec.hh"

#include <string>
#include <vector>

namespace hull::engine {

/// One mount that the user, the image or another container asked for, as it is kept.
struct PlannedMount {
    enum class Type { bind, tmpfs, volume, image };
    Type type = Type::bind;
    Path source;             ///< host path of a bind; of the others filled in while mounted
    std::string volume;      ///< name
    bool anonymous = false;  ///< nobody has named the volume: it goes with `rm -v`
    std::string driver;      ///< of the volume
    api::StringMap driver_options, labels;  ///< for a volume that is made
    std::string subpath;                    ///< what of the volume or image is mounted; "" is all
    Path destination;
    bool read_only = false;
    bool recursive = true;              ///< bind submounts, too
    bool recursive_read_only = true;    ///< submounts become read-only with a read-only bind
    bool create_source = false;         ///< `-v`: a missing source is made a directory
    bool copy_up = false;               ///< an empty volume gets what the image has there
    std::string propagation;            ///< "" is rprivate
    std::string mode;                   ///< of -v, as typed
    std::string id_map;                 ///< "map=host", "idmap=…"; "" is none
    std::string image_id;               ///< of an image, whose name is `source`
    std::vector<std::string> diff_ids;  ///< of an image
    std::vector<oci::IdMapping> uid_mappings, gid_mappings;  ///< while it is mounted
    std::vector<std::string> options;                        ///< of a tmpfs
};

json::Value to_json(const PlannedMount& mount);
PlannedMount parse_planned_mount(const json::Value& value);

}  // namespace hull::engine
