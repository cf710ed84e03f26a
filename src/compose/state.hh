#pragma once
#include "api/client/client.hh"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hull::compose {

/// Makes a connection of its own for each thread.
using Connect = std::function<client::Client()>;

/// One container of a project as the daemon lists it.
struct Container {
    std::string id, name;  ///< without the slash
    std::string service;
    int number = 0;
    bool one_off = false;
    std::string state, status, image, image_id, command;
    std::int64_t created = 0;
    std::map<std::string, std::string> labels;
    api::ContainerSummary summary;  ///< as the daemon listed it; empty for one we just made
    bool is_running() const {
        return state == "running" || state == "paused" || state == "restarting";
    }
    std::string label(const char* name) const;
};

/// What the daemon has of a project.
struct State {
    std::vector<Container> containers;  ///< by service and number; one-off ones too
    /// Other directories that have a project of this name.
    std::vector<std::string> other_directories;

    std::vector<const Container*> of_service(const std::string& service,
                                             bool one_off = false) const;
    /// The container of `service` with this number; 0: the first one. Throws not_found.
    const Container& get(const std::string& service, int number) const;
};

/// Containers with the project's label. With a `directory`, those of the same name in another one
/// are left out and only their directory is told.
State read_state(client::Client& daemon, const std::string& project, const std::string& directory);

/// {label: [com.docker.compose.project=NAME]}
client::Filters project_filter(const std::string& project);

/// "web-1": how output and tables name a container of a project.
std::string short_name(const Container& container, const std::string& project);

}  // namespace hull::compose
