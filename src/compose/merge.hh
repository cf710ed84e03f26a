#pragma once
#include "compose/schema.hh"

namespace hull::compose {

/// Lays `above` over `below`, as a later file lies over an earlier one; both are conformed.
/// Mappings merge, lists follow the schema, `!reset` removes and `!override` replaces.
void merge(Node& below, Node above, const Schema& schema);

/// Removes what `!reset` left where there was nothing below it.
void drop_resets(Node& node);

}  // namespace hull::compose
