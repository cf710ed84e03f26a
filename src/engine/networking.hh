#pragma once
#include "api/types/container.hh"
#include "engine/record.hh"
#include "network/networks.hh"

#include <optional>
#include <string>
#include <vector>

/// Between a container's record and its networks.
namespace hull::engine {

/// True when the container has networks of its own: not host, none or another container's.
bool has_networks(const api::HostConfig& host);

/// What the networks keep of a new container. `host` and `config` are the final ones. Throws
/// invalid_argument with Docker's texts.
network::SandboxRequest make_sandbox_request(const std::string& id, const std::string& name,
                                             const api::ContainerConfig& config,
                                             const api::HostConfig& host,
                                             const api::NetworkingConfig& networking);

/// "8080", "8000-8010" or "": any.
network::PortRange parse_host_port(const std::string& text);
/// "80/tcp", "53/udp", "80". Throws invalid_argument.
struct ContainerPort {
    std::uint16_t number = 0;
    std::string protocol;
};
ContainerPort parse_container_port(const std::string& text);
std::optional<ContainerPort> find_container_port(const std::string& text);
/// The requests of one member of PortBindings.
std::vector<network::PortRequest> parse_port_bindings(
    const std::string& port, const std::vector<api::PortBinding>& bindings);

network::EndpointConfig make_endpoint_config(const std::string& network_id,
                                             const api::EndpointSettings& settings);

/// NetworkSettings of an inspect. `sandbox` may be null.
api::NetworkSettings make_network_settings(const Definition& definition, bool is_running, pid_t pid,
                                           const network::Sandbox* sandbox,
                                           network::Networks& networks);
/// Ports of a list: published ones, then those that are only exposed.
std::vector<api::PortSummary> make_port_list(const Definition& definition, bool is_running,
                                             const network::Sandbox* sandbox);

/// A legacy link as inspect shows it: "db:database" -> "/db:/web/database". Others stay as they
/// are.
std::string shown_link(const std::string& link, const std::string& network_mode,
                       const std::string& container_path);

/// Of a container in the network "host" or "none", where it has no endpoint that anybody made.
std::string host_endpoint_id(const std::string& container_id, const std::string& network_id);

}  // namespace hull::engine
