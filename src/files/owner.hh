#pragma once
#include "files/tree_writer.hh"

#include <string>

namespace hull::files {

/// Ids of "user[:group]", each a name of the root's /etc/passwd and /etc/group or a number; the
/// group of a user without one is the user's own. Throws invalid_argument for unknown names.
Owner find_owner(int root, const std::string& text);

}  // namespace hull::files
