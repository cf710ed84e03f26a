#pragma once
#include "cli/command.hh"
#include "compose/project.hh"

namespace hull::cli {

/// Acts on changes as develop.watch says, until SIGINT or SIGTERM.
void watch_project(Invocation& call, const compose::Project& project, bool quiet);

}  // namespace hull::cli
