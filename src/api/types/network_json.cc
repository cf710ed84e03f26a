#include "api/types/network.hh"

#include "api/types/network_json.hh"

namespace hull::api {

PortMap parse_ports(const json::Value& value) {
    PortMap ports;
    if (!value.is_null()) detail::decode(value, ports);
    return ports;
}
json::Value to_json(const PortMap& ports) { return detail::encode(ports); }

json::Value to_json(const PortBinding& value) { return detail::encode(value); }
void from_json(const json::Value& json, PortBinding& value) { detail::decode(json, value); }
json::Value to_json(const EndpointSettings& value) { return detail::encode(value); }
void from_json(const json::Value& json, EndpointSettings& value) { detail::decode(json, value); }
json::Value to_json(const NetworkingConfig& value) { return detail::encode(value); }
void from_json(const json::Value& json, NetworkingConfig& value) { detail::decode(json, value); }

json::Value to_json(const NetworkCreateRequest& value) { return detail::encode(value); }
void from_json(const json::Value& json, NetworkCreateRequest& value) {
    detail::decode(json, value);
}
json::Value to_json(const NetworkInspect& value) { return detail::encode(value); }
void from_json(const json::Value& json, NetworkInspect& value) { detail::decode(json, value); }
json::Value to_json(const NetworkConnectRequest& value) { return detail::encode(value); }
void from_json(const json::Value& json, NetworkConnectRequest& value) {
    detail::decode(json, value);
}
json::Value to_json(const NetworkDisconnectRequest& value) { return detail::encode(value); }
void from_json(const json::Value& json, NetworkDisconnectRequest& value) {
    detail::decode(json, value);
}

json::Value to_json(const NetworkSettings& settings) {
    EndpointSettings bridge;
    if (const auto found = settings.networks.find("bridge"); found != settings.networks.end())
        bridge = found->second;
    json::Object object;
    object.append("Bridge", settings.bridge);
    object.append("SandboxID", settings.sandbox_id);
    object.append("SandboxKey", settings.sandbox_key);
    object.append("Ports", detail::encode(settings.ports));
    object.append("HairpinMode", false);
    object.append("LinkLocalIPv6Address", "");
    object.append("LinkLocalIPv6PrefixLen", 0);
    object.append("SecondaryIPAddresses", nullptr);
    object.append("SecondaryIPv6Addresses", nullptr);
    object.append("EndpointID", bridge.endpoint_id);
    object.append("Gateway", bridge.gateway);
    object.append("GlobalIPv6Address", bridge.global_ipv6_address);
    object.append("GlobalIPv6PrefixLen", bridge.global_ipv6_prefix_len);
    object.append("IPAddress", bridge.ip_address);
    object.append("IPPrefixLen", bridge.ip_prefix_len);
    object.append("IPv6Gateway", bridge.ipv6_gateway);
    object.append("MacAddress", bridge.mac_address);
    object.append("Networks", detail::encode(settings.networks));
    return object;
}

void from_json(const json::Value& json, NetworkSettings& settings) {
    detail::Reader reader(json.as_object());
    reader("Bridge", settings.bridge);
    reader("SandboxID", settings.sandbox_id);
    reader("SandboxKey", settings.sandbox_key);
    reader("Ports", settings.ports);
    reader("Networks", settings.networks);
}

}  // namespace hull::api
