#pragma once
#include "build/dockerfile/check.hh"

#include <set>
#include <string>
#include <string_view>

namespace hull::build::dockerfile {

/// What `# check=` or BUILDKIT_DOCKERFILE_CHECK says.
struct CheckSettings {
    bool skip_all = false, experimental_all = false, error = false;
    std::set<std::string> skipped, experimental;

    bool runs(const CheckRule& rule) const;
};
/// Reads "skip=A,B;error=true;experimental=C". Throws Error(invalid_argument) in Docker's words.
CheckSettings parse_check_settings(std::string_view text);

/// The rule of this name, which is one of `check_rules`.
const CheckRule& get_check_rule(std::string_view name);

}  // namespace hull::build::dockerfile
