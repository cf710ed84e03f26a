#pragma once
#include "compose/project.hh"
#include "compose/state.hh"
#include "compose/work.hh"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hull::compose {

struct DownOptions {
    bool volumes = false, remove_orphans = false;
    std::string remove_images;  ///< "", "local" or "all"
    std::optional<int> timeout_s;
    std::vector<std::string> services;  ///< empty: all, and networks
};

/// Stops and removes containers, those that depend on others first; then networks, volumes and
/// images. Without a file (`project` null) what the labels say is all there is to know.
void down(const Work& work, const Project* project, const std::string& name,
          const std::string& directory, const DownOptions& options);

/// Service -> the services that must be stopped before it: what depends on it.
std::map<std::string, std::vector<std::string>> stop_order(const State& state);
/// Service -> the services that must be started before it, from the containers' labels.
std::map<std::string, std::vector<std::string>> start_order(const State& state);

}  // namespace hull::compose
