#pragma once
#include "cli/command.hh"
#include "compose/project.hh"

namespace hull::cli {

struct WatchOptions {
    bool quiet = false;  ///< no output of builds
    bool prune = true;   ///< an image that another one took the name from goes
};

/// Acts on changes as develop.watch says, until SIGINT or SIGTERM.
void watch_project(Invocation& call, const compose::Project& project, const WatchOptions& options);

}  // namespace hull::cli
