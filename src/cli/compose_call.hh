#pragma once
#include "cli/command.hh"
#include "compose/state.hh"

#include <string>
#include <vector>

namespace hull::cli {

/// Runs another command of ours, as if `words` (its name first) had been typed. Throws unsupported
/// when there is none of this name. Returns its exit code.
int call_command(Session& session, const std::string& name, const std::vector<std::string>& words);

}  // namespace hull::cli
