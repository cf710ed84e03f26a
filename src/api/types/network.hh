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

/// One subnet of a network; "" is the daemon's choice.
struct IpamConfig {
    std::string subnet, ip_range, gateway;
    StringMap auxiliary_addresses;
};

struct Ipam {
    std::string driver;
    StringMap options;
    Nullable<std::vector<IpamConfig>> config = Nullable<std::vector<IpamConfig>>::none();
};

struct ConfigReference {
    std::string network;
};

/// POST /networks/create
struct NetworkCreateRequest {
    std::string name, driver, scope;
    std::optional<bool> enable_ipv4, enable_ipv6;
    std::optional<Ipam> ipam;
    bool internal = false, attachable = false, ingress = false, config_only = false;
    std::optional<ConfigReference> config_from;
    StringMap options, labels;
};

/// A container's leg as the network shows it; addresses with their prefix.
struct NetworkMember {
    std::string name, endpoint_id, mac_address, ipv4_address, ipv6_address;
};

/// GET /networks/{id} and one item of GET /networks.
struct NetworkInspect {
    std::string name, id, created, scope, driver;
    bool enable_ipv4 = true, enable_ipv6 = false;
    Ipam ipam;
    bool internal = false, attachable = false, ingress = false;
    ConfigReference config_from;
    bool config_only = false;
    Nullable<std::map<std::string, NetworkMember>> containers =
        Nullable<std::map<std::string, NetworkMember>>::none();
    StringMap options = StringMap::none(), labels = StringMap::none();
};

/// POST /networks/{id}/connect
struct NetworkConnectRequest {
    std::string container;
    std::optional<EndpointSettings> endpoint_config;
};

/// POST /networks/{id}/disconnect
struct NetworkDisconnectRequest {
    std::string container;
    bool force = false;
};

/// PortBindings: {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}; null gives none.
PortMap parse_ports(const json::Value& value);
json::Value to_json(const PortMap& ports);

json::Value to_json(const PortBinding&);
void from_json(const json::Value&, PortBinding&);
json::Value to_json(const EndpointSettings&);
void from_json(const json::Value&, EndpointSettings&);
json::Value to_json(const NetworkingConfig&);
void from_json(const json::Value&, NetworkingConfig&);
json::Value to_json(const NetworkSettings&);
void from_json(const json::Value&, NetworkSettings&);
json::Value to_json(const NetworkCreateRequest&);
void from_json(const json::Value&, NetworkCreateRequest&);
json::Value to_json(const NetworkInspect&);
void from_json(const json::Value&, NetworkInspect&);
json::Value to_json(const NetworkConnectRequest&);
void from_json(const json::Value&, NetworkConnectRequest&);
json::Value to_json(const NetworkDisconnectRequest&);
void from_json(const json::Value&, NetworkDisconnectRequest&);

}  // namespace hull::api
