#pragma once
#include "api/types/fields_json.hh"
#include "api/types/network.hh"

#include <concepts>

/// Member lists shared by the *_json.cc files of this folder. `Of<Binding, T>` is T or const T.
namespace hull::api {

template <typename Value, typename T>
concept Of = std::same_as<std::remove_const_t<Value>, T>;

template <typename Visitor>
void fields(Visitor& visit, Of<PortBinding> auto& value) {
    visit("HostIp", value.host_ip);
    visit("HostPort", value.host_port);
}

template <typename Visitor>
void fields(Visitor& visit, Of<EndpointIpamConfig> auto& value) {
    visit.omit_empty("IPv4Address", value.ipv4_address);
    visit.omit_empty("IPv6Address", value.ipv6_address);
    visit.omit_empty("LinkLocalIPs", value.link_local_ips);
}

template <typename Visitor>
void fields(Visitor& visit, Of<EndpointSettings> auto& value) {
    visit("IPAMConfig", value.ipam_config);
    visit("Links", value.links);
    visit("Aliases", value.aliases);
    visit("MacAddress", value.mac_address);
    visit("DriverOpts", value.driver_opts);
    visit("GwPriority", value.gw_priority);
    visit("NetworkID", value.network_id);
    visit("EndpointID", value.endpoint_id);
    visit("Gateway", value.gateway);
    visit("IPAddress", value.ip_address);
    visit("IPPrefixLen", value.ip_prefix_len);
    visit("IPv6Gateway", value.ipv6_gateway);
    visit("GlobalIPv6Address", value.global_ipv6_address);
    visit("GlobalIPv6PrefixLen", value.global_ipv6_prefix_len);
    visit("DNSNames", value.dns_names);
}

template <typename Visitor>
void fields(Visitor& visit, Of<NetworkingConfig> auto& value) {
    visit("EndpointsConfig", value.endpoints_config);
}

}  // namespace hull::api
