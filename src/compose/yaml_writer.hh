#pragma once
#include "compose/node.hh"

#include <string>

namespace hull::compose {

/// The node as Go's yaml.v3 prints it with an indent of 2.
std::string write_yaml(const Node& node);

}  // namespace hull::compose
