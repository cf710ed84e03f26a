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

template <typename Visitor>
void fields(Visitor& visit, Of<IpamConfig> auto& value) {
    visit.omit_empty("Subnet", value.subnet);
    visit.omit_empty("IPRange", value.ip_range);
    visit.omit_empty("Gateway", value.gateway);
    visit.omit_empty("AuxiliaryAddresses", value.auxiliary_addresses);
}

template <typename Visitor>
void fields(Visitor& visit, Of<Ipam> auto& value) {
    visit("Driver", value.driver);
    visit("Options", value.options);
    visit("Config", value.config);
}

template <typename Visitor>
void fields(Visitor& visit, Of<ConfigReference> auto& value) {
    visit("Network", value.network);
}

template <typename Visitor>
void fields(Visitor& visit, Of<NetworkCreateRequest> auto& value) {
    visit("Name", value.name);
    visit("Driver", value.driver);
    visit.omit_empty("Scope", value.scope);
    visit.omit_empty("EnableIPv4", value.enable_ipv4);
    visit.omit_empty("EnableIPv6", value.enable_ipv6);
    visit.omit_empty("IPAM", value.ipam);
    visit("Internal", value.internal);
    visit("Attachable", value.attachable);
    visit("Ingress", value.ingress);
    visit("ConfigOnly", value.config_only);
    visit.omit_empty("ConfigFrom", value.config_from);
    visit("Options", value.options);
    visit("Labels", value.labels);
}

template <typename Visitor>
void fields(Visitor& visit, Of<NetworkMember> auto& value) {
    visit("Name", value.name);
    visit("EndpointID", value.endpoint_id);
    visit("MacAddress", value.mac_address);
    visit("IPv4Address", value.ipv4_address);
    visit("IPv6Address", value.ipv6_address);
}

template <typename Visitor>
void fields(Visitor& visit, Of<NetworkInspect> auto& value) {
    visit("Name", value.name);
    visit("Id", value.id);
    visit("Created", value.created);
    visit("Scope", value.scope);
    visit("Driver", value.driver);
    visit("EnableIPv4", value.enable_ipv4);
    visit("EnableIPv6", value.enable_ipv6);
    visit("IPAM", value.ipam);
    visit("Internal", value.internal);
    visit("Attachable", value.attachable);
    visit("Ingress", value.ingress);
    visit("ConfigFrom", value.config_from);
    visit("ConfigOnly", value.config_only);
    visit("Containers", value.containers);
    visit("Options", value.options);
    visit("Labels", value.labels);
}

template <typename Visitor>
void fields(Visitor& visit, Of<NetworkConnectRequest> auto& value) {
    visit("Container", value.container);
    visit.omit_empty("EndpointConfig", value.endpoint_config);
}

template <typename Visitor>
void fields(Visitor& visit, Of<NetworkDisconnectRequest> auto& value) {
    visit("Container", value.container);
    visit("Force", value.force);
}

}  // namespace hull::api
