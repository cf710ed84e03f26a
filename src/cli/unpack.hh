#pragma once
#include "archive/byte_source.hh"
#include "base/file.hh"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace hull::cli {

/// How an archive from a container becomes files of ours.
struct UnpackPlan {
    Path parent;              ///< an existing directory
    std::string name;         ///< what the archive's top becomes in it; "" = the parent itself
    std::string top;          ///< the top's name in the archive
    bool keep_owner = false;  ///< owners, setuid bits, file capabilities and devices, too
    /// Told about what is left out.
    std::function<void(std::string_view)> warn;
};

/// Unpacks below `plan.parent`. The archive is a stranger's: every path is resolved by openat2
/// without following links and without leaving the parent, so a link in the archive leads nowhere.
/// A file takes an existing file's or link's place, never a directory's. Returns the bytes of file
/// data. Throws invalid_argument for a name that leads outside, conflict for a directory in the
/// way.
std::uint64_t unpack(archive::ByteSource& source, const UnpackPlan& plan);

}  // namespace hull::cli
