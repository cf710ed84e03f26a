#pragma once
#include "base/json.hh"

#include <string>

namespace hull::build {

/// The line at the end of a build, "" when it is not worth one. `waste` is of Builder::find_waste.
std::string waste_summary(const json::Value& waste);

}  // namespace hull::build
