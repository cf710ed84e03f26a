#pragma once
#include "base/json.hh"

#include <string>

namespace hull::cli {

/// `image ls --tree` of what GET /images/json?manifests=1 answered: every image with the platforms
/// of its index below it.
std::string images_tree(const json::Value& images);

}  // namespace hull::cli
