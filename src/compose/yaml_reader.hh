#pragma once
#include "compose/node.hh"

#include <string_view>
#include <vector>

namespace hull::compose {

/// The documents of a YAML text, aliases and merge keys (`<<`) resolved; `!reset` and `!override`
/// are kept as tags, other tags of scalars choose their kind. Plain scalars become what Go's
/// yaml.v3 makes of them. Empty documents are left out. Throws invalid_argument "FILE:LINE:COLUMN:
/// …" for bad syntax, a key written twice, aliases that multiply beyond what the text could mean,
/// and nesting deeper than 100.
std::vector<Node> read_yaml(std::string_view text, std::string_view file);

/// What Go's yaml.v3 makes of a plain scalar.
void resolve_plain(Node& scalar);

}  // namespace hull::compose
