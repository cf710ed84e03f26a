#pragma once
#include "api/types/nullable.hh"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hull::api {

struct PortBinding {
    std::string host_ip, host_port;
};
/// "80/tcp" -> where it is published; null when only exposed.
using PortMap = Nullable<std::map<std::string, Nullable<std::vector<PortBinding>>>>;

struct EndpointIpamConfig {
    std::string ipv4_address, ipv6_address;
    Strings link_local_ips;
};

struct EndpointSettings {
    std::optional<EndpointIpamConfig> ipam_config;
    Strings links, aliases;
    std::string mac_address;
    StringMap driver_opts;
    std::int64_t gw_priority = 0;
    std::string network_id, endpoint_id, gateway, ip_address;
    std::int64_t ip_prefix_len = 0;
    std::string ipv6_gateway, global_ipv6_address;
    std::int64_t global_ipv6_prefix_len = 0;
    Strings dns_names;
};

struct NetworkingConfig {
    Nullable<std::map<std::string, EndpointSettings>> endpoints_config;
};

/// NetworkSettings of a container inspect; the legacy members (Bridge, IPAddress, …) are written
/// from the endpoint of the network named "bridge", as Docker does.
struct NetworkSettings {
    std::string bridge, sandbox_id, sandbox_key;
    PortMap ports = PortMap::none();
    Nullable<std::map<std::string, EndpointSettings>> networks;
};

json::Value to_json(const PortBinding&);
void from_json(const json::Value&, PortBinding&);
json::Value to_json(const EndpointSettings&);
void from_json(const json::Value&, EndpointSettings&);
json::Value to_json(const NetworkingConfig&);
void from_json(const json::Value&, NetworkingConfig&);
json::Value to_json(const NetworkSettings&);
void from_json(const json::Value&, NetworkSettings&);

}  // namespace hull::api
