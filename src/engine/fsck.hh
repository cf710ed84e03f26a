#pragma once
#include "base/file.hh"
#include "store/check.hh"

#include <cstdint>
#include <string>
#include <vector>

namespace hull::engine {

/// One part of the data root, and what it takes there.
struct FsckArea {
    std::string name;      ///< "layers"
    std::string contents;  ///< what it is, in words
    std::uint64_t bytes = 0, files = 0;
};

struct FsckReport {
    std::vector<FsckArea> areas;      ///< together all of the data root
    std::vector<std::string> mounts;  ///< below data root and exec root, all of them
    std::vector<store::Fault> faults;
    std::uint64_t bytes = 0;  ///< of all areas
};

/// Every file below `data_root`, sorted into areas by its first component. Other file systems are
/// not entered. Files of no area are faults.
FsckReport survey(const Path& data_root);

/// Mount points below one of `roots`, deepest last.
std::vector<std::string> find_mounts_below(const std::vector<Path>& roots);

}  // namespace hull::engine
