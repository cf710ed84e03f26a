#pragma once
#include "base/json.hh"

#include <cstdint>
#include <map>
#include <string>

namespace hull::buildkit {

/// The steps that clients are shown, by number, named as BuildKit names them: "[build 2/5] RUN
/// make". Steps that make no layer are not shown. `plan` is what hulld sends of a build.
std::map<std::int64_t, std::string> name_steps(const json::Value& plan);

}  // namespace hull::buildkit
