#pragma once
#include "api/types/container.hh"
#include "compose/docker_hash.hh"
#include "compose/project.hh"
#include "compose/state.hh"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace hull::compose {

/// What a container of a service is made with, beside its configuration.
struct ContainerPlace {
    std::string name;
    int number = 1;
    bool one_off = false;
    bool use_aliases = true;  ///< the service's name and aliases in its networks
    bool use_ports = true;    ///< publish the service's ports
    bool auto_remove = false;
    bool attach_stdin = false, attach_output = false;  ///< of `run`
    std::string image_id;
    std::map<std::string, std::string>
        kept_volumes;      ///< target -> anonymous volume of the container it replaces
    std::string replaces;  ///< id of that container
    /// The id of a container of another service, for `service:` modes.
    std::function<std::string(const std::string& service)> container_of;
    /// Names of the containers of a service, for links.
    std::function<std::vector<std::string>(const std::string& service)> names_of;
    ComposeVersion hash_version = ComposeVersion::now;  ///< of the docker compose beside us
};

/// A network that is joined after the creation: older daemons take only one in the request.
struct Joining {
    std::string network;
    api::EndpointSettings settings;
};

/// A file that is copied into the container before it starts.
struct InjectedFile {
    std::string target, content;
    std::uint32_t mode = 0444;
    std::uint32_t uid = 0, gid = 0;
};

struct ContainerRequest {
    api::CreateRequest request;
    std::vector<Joining> joinings;
    std::vector<InjectedFile> files;
    std::vector<std::string> warnings;
};

/// What creates one container of `service`. Throws invalid_argument, unsupported.
ContainerRequest make_container_request(const Project& project, const std::string& service_name,
                                        const Node& service, const ContainerPlace& place);

/// PROJECT-SERVICE-NUMBER, or container_name.
std::string container_name(const Project& project, const std::string& service_name, int number);
/// Labels of anything of the project.
std::map<std::string, std::string> resource_labels(const Project& project, const Node& resource);

/// As versions before 2 named containers: underscores.
void use_underscores(bool on);

}  // namespace hull::compose
