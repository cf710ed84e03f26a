#pragma once
#include <string>
#include <vector>

namespace hull::buildkit {

/// Names in a directory, without . and .., in no order.
std::vector<std::string> list_names(int directory);
/// Removes a file, or a directory with all that is in it, whatever its mode. Links are not
/// followed.
void remove_at(int parent, const std::string& name);

}  // namespace hull::buildkit
