#pragma once
#include "compose/node.hh"
#include "compose/state.hh"

#include <functional>
#include <string>
#include <string_view>

namespace hull::compose {

/// docker compose changed what it hashes, and with it every hash: once there were dependencies and
/// profiles in it.
enum class ComposeVersion { v2_26, now };
/// The id of the container that stands for a service others share namespaces or volumes with.
using ContainerOf = std::function<std::string(const std::string& service)>;

/// What docker compose v2 hashes of a service: its JSON, without what does not matter to a
/// container. The service is normalised, with env files read.
std::string docker_service_json(const Node& service, ComposeVersion version,
                                const ContainerOf& container_of = {});
/// The value of com.docker.compose.config-hash: docker compose's own, so that each of the two
/// programs sees that the other's containers are up to date.
std::string docker_service_hash(const Node& service, const ContainerOf& container_of = {},
                                ComposeVersion version = ComposeVersion::now);
/// Whether any docker compose v2 would have given the service that hash.
bool has_docker_hash(std::string_view hash, const Node& service,
                     const ContainerOf& container_of = {});
/// What docker compose labels networks and volumes with.
std::string docker_network_hash(const Node& network);
std::string docker_volume_hash(const Node& volume);
/// Whether a container was made by, or for, a docker compose up to 2.26.
bool is_of_old_compose(const Container& container, const Node& service,
                       const ContainerOf& container_of = {});

}  // namespace hull::compose
