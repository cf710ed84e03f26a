#pragma once
#include "build/dockerfile/instruction.hh"

#include <functional>
#include <string>
#include <string_view>

namespace hull::build::dockerfile {

using MountValueExpander = std::function<std::string(std::string value)>;
/// As `parse_mount`, each value expanded before it is read.
Mount parse_mount(std::string_view text, const MountValueExpander& expand);
/// Throws Error(invalid_argument) when `from=` has a variable, which Docker does not expand.
void check_mount_from(std::string_view text);

}  // namespace hull::build::dockerfile
