#pragma once
#include <string>
#include <vector>

namespace hull::files {

/// Paths below the directory `root` (O_PATH) that match a pattern of several components, sorted;
/// `**` is any number of directories. Symbolic links on the way are followed within the root.
std::vector<std::string> find_matches(int root, const std::string& pattern);

}  // namespace hull::files
