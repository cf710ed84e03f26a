#pragma once
#include "oci/runtime_spec.hh"

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace hull::runtime {

/// What a hook reads from its standard input, and what `state` prints.
struct ContainerStatus {
    std::string oci_version, id, status;
    pid_t pid = 0;  ///< 0: left out
    Path bundle;
    std::map<std::string, std::string> annotations;
};
std::string status_json(const ContainerStatus& status);

/// Runs them in order; the first that fails, or outlives its timeout and is killed, throws with the
/// name of the stage and the hook's path.
void run_hooks(const std::vector<oci::Hook>& hooks, std::string_view stage,
               const ContainerStatus& status);

}  // namespace hull::runtime
