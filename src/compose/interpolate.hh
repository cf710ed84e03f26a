#pragma once
#include "compose/environment.hh"
#include "compose/node.hh"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hull::compose {

/// How a file uses a variable, for `config --variables`.
struct VariableUse {
    bool required = false;
    std::string default_value, alternate_value;
};

/// What one pass of interpolation saw.
struct Interpolation {
    std::map<std::string, VariableUse> uses;
    std::map<std::string, std::string> unset;  ///< variable -> where it was first blank
};

/// Replaces $V, ${V}, ${V:-d}, ${V-d}, ${V:?e}, ${V?e}, ${V:+r}, ${V+r} (nested ones, too) and $$.
/// What was put in is added to `put_in` as "V=value (source)", when given.
/// Throws invalid_argument without a place.
std::string interpolate_text(std::string_view text, const Environment& environment,
                             Interpolation& seen, std::vector<std::string>* put_in = nullptr);

/// Interpolates every string value (not keys) below `root`; a plain scalar that changed becomes
/// what its new text means where the schema allows more than a string. Throws invalid_argument
/// "FILE:LINE:COLUMN: services.web.image: …".
void interpolate(Node& root, const Environment& environment, Interpolation& seen);

}  // namespace hull::compose
