#pragma once
#include "compose/project.hh"
#include "compose/schema.hh"

namespace hull::compose {

/// Fills in what the format implies (default network, names, build context, implied dependencies,
/// env files), puts services of inactive profiles aside and checks that what is referred to exists.
void normalise(Project& project, const LoadOptions& options);

/// Checks references, cycles and contradictions. Throws invalid_argument, one problem a line.
void check_consistency(const Project& project);

/// Networks, volumes, secrets and configs that no enabled service uses.
void drop_unused(Project& project);

/// Members in the order of the schema, free keys sorted, extensions last: as `config` prints them.
void order_members(Node& node, const Schema& schema);

}  // namespace hull::compose
