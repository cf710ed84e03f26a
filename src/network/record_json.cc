#include "base/error.hh"
#include "network/record.hh"

#include <algorithm>

namespace hull::network {

namespace {

std::string text_of(const json::Value& value) { return value.is_string() ? value.as_string() : ""; }
bool bool_of(const json::Value& value) { return value.is_bool() && value.as_bool(); }
std::int64_t int_of(const json::Value& value) { return value.is_number() ? value.as_int() : 0; }

IpAddress address_of(const json::Value& value) {
    return IpAddress::parse(text_of(value)).value_or(IpAddress());
}

Subnet subnet_of(const json::Value& value) {
    return Subnet::parse_interface(text_of(value)).value_or(Subnet());
}

json::Value encode(const AddressConfig& config) {
    json::Object object;
    object.append("subnet", config.subnet.text());
    if (config.range) object.append("range", config.range->text());
    object.append("gateway", config.gateway.text());
    StringMap auxiliary;
    for (const auto& [name, address] : config.auxiliary) auxiliary[name] = address.text();
    object.append("auxiliary", auxiliary);
    object.append("chosen", config.is_chosen);
    return object;
}

AddressConfig parse_config(const json::Value& value) {
    AddressConfig config;
    config.subnet = subnet_of(value["subnet"]);
    if (value["range"].is_string()) config.range = subnet_of(value["range"]);
    config.gateway = address_of(value["gateway"]);
    for (const auto& [name, address] : value["auxiliary"].as_string_map())
        config.auxiliary[name] = IpAddress::get(address);
    config.is_chosen = bool_of(value["chosen"]);
    return config;
}

json::Value encode(const Endpoint& endpoint) {
    json::Object object;
    object.append("network", endpoint.config.network_id);
    object.append("wantedIpv4", endpoint.config.ipv4.text());
    object.append("wantedIpv6", endpoint.config.ipv6.text());
    object.append("wantedMac", endpoint.config.mac);
    object.append("aliases", endpoint.config.aliases);
    object.append("links", endpoint.config.links);
    object.append("driverOptions", endpoint.config.driver_options);
    if (!endpoint.config.link_local.empty()) {
        json::Array addresses;
        for (const IpAddress& address : endpoint.config.link_local)
            addresses.push_back(address.text());
        object.append("linkLocal", std::move(addresses));
    }
    object.append("gatewayPriority", endpoint.config.gateway_priority);
    object.append("id", endpoint.id);
    object.append("interface", endpoint.interface);
    object.append("interfaceIndex", endpoint.interface_index);
    object.append("hostLink", endpoint.host_link);
    object.append("mac", endpoint.mac);
    object.append("ipv4", endpoint.ipv4.text());
    object.append("ipv6", endpoint.ipv6.text());
    object.append("gateway4", endpoint.gateway4.text());
    object.append("gateway6", endpoint.gateway6.text());
    return object;
}

Endpoint parse_endpoint(const json::Value& value) {
    Endpoint endpoint;
    endpoint.config.network_id = text_of(value["network"]);
    endpoint.config.ipv4 = address_of(value["wantedIpv4"]);
    endpoint.config.ipv6 = address_of(value["wantedIpv6"]);
    endpoint.config.mac = text_of(value["wantedMac"]);
    endpoint.config.aliases = value["aliases"].as_strings();
    endpoint.config.links = value["links"].as_strings();
    endpoint.config.driver_options = value["driverOptions"].as_string_map();
    for (const std::string& address : value["linkLocal"].as_strings())
        endpoint.config.link_local.push_back(IpAddress::get(address));
    endpoint.config.gateway_priority = int_of(value["gatewayPriority"]);
    endpoint.id = text_of(value["id"]);
    endpoint.interface = text_of(value["interface"]);
    endpoint.interface_index = static_cast<int>(int_of(value["interfaceIndex"]));
    endpoint.host_link = text_of(value["hostLink"]);
    endpoint.mac = text_of(value["mac"]);
    endpoint.ipv4 = subnet_of(value["ipv4"]);
    endpoint.ipv6 = subnet_of(value["ipv6"]);
    endpoint.gateway4 = address_of(value["gateway4"]);
    endpoint.gateway6 = address_of(value["gateway6"]);
    return endpoint;
}

json::Value encode(const PortRequest& port) {
    json::Object object;
    object.append("protocol", port.protocol);
    object.append("containerPort", port.container_port);
    object.append("hostIp", port.host_ip);
    object.append("first", port.host.first);
    object.append("last", port.host.last);
    return object;
}

json::Value encode(const PublishedPort& port) {
    json::Object object;
    object.append("protocol", port.protocol);
    object.append("containerPort", port.container_port);
    object.append("hostIp", port.host_ip.text());
    object.append("hostPort", port.host_port);
    return object;
}

std::uint16_t port_of(const json::Value& value) {
    return static_cast<std::uint16_t>(int_of(value));
}

template <typename T>
json::Value encode_all(const std::vector<T>& values) {
    json::Array array;
    for (const T& value : values) array.push_back(encode(value));
    return array;
}

}  // namespace

bool Network::flag(const std::string& option, bool otherwise) const {
    const auto found = options.find(option);
    if (found == options.end()) return otherwise;
    return found->second == "true" || found->second == "1";
}

std::string Network::option(const std::string& name) const {
    const auto found = options.find(name);
    return found == options.end() ? "" : found->second;
}

const Endpoint* Sandbox::find_endpoint(const std::string& network_id) const {
    for (const Endpoint& endpoint : endpoints)
        if (endpoint.config.network_id == network_id) return &endpoint;
    return nullptr;
}

std::vector<std::string> names_of(const Sandbox& sandbox, const Endpoint& endpoint) {
    std::vector<std::string> names;
    const auto add = [&](const std::string& name) {
        if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end())
            names.push_back(name);
    };
    add(sandbox.container_name);
    for (const std::string& alias : endpoint.config.aliases) add(alias);
    for (const std::string& name : sandbox.hostnames) add(name);
    return names;
}

json::Value to_json(const Network& network) {
    json::Object object;
    object.append("id", network.id);
    object.append("name", network.name);
    object.append("driver", network.driver);
    object.append("created", network.created_ns);
    object.append("internal", network.internal);
    object.append("attachable", network.attachable);
    object.append("configOnly", network.config_only);
    object.append("configFrom", network.config_from);
    object.append("ipv4", network.ipv4);
    object.append("ipv6", network.ipv6);
    object.append("options", network.options);
    object.append("labels", network.labels);
    object.append("ipamOptions", network.ipam_options);
    object.append("addresses", encode_all(network.addresses));
    object.append("interface", network.interface);
    object.append("recipe", network.recipe);
    return object;
}

Network parse_network(const json::Value& value) {
    Network network;
    network.id = value["id"].as_string();
    network.name = value["name"].as_string();
    network.driver = value["driver"].as_string();
    network.created_ns = int_of(value["created"]);
    network.internal = bool_of(value["internal"]);
    network.attachable = bool_of(value["attachable"]);
    network.config_only = bool_of(value["configOnly"]);
    network.config_from = text_of(value["configFrom"]);
    network.ipv4 = bool_of(value["ipv4"]);
    network.ipv6 = bool_of(value["ipv6"]);
    network.options = value["options"].as_string_map();
    network.labels = value["labels"].as_string_map();
    network.ipam_options = value["ipamOptions"].as_string_map();
    for (const json::Value& config : value["addresses"].as_array())
        network.addresses.push_back(parse_config(config));
    network.interface = text_of(value["interface"]);
    network.recipe = text_of(value["recipe"]);
    return network;
}

json::Value to_json(const Sandbox& sandbox) {
    json::Object object;
    object.append("container", sandbox.container_id);
    object.append("name", sandbox.container_name);
    object.append("hostnames", sandbox.hostnames);
    object.append("active", sandbox.active);
    object.append("endpoints", encode_all(sandbox.endpoints));
    object.append("wantedPorts", encode_all(sandbox.wanted_ports));
    object.append("ports", encode_all(sandbox.ports));
    object.append("links", sandbox.legacy_links);
    object.append("nameServers", sandbox.name_servers);
    object.append("hasNameServer", sandbox.has_name_server);
    object.append("nameServerPort", sandbox.name_server_port);
    return object;
}

Sandbox parse_sandbox(const json::Value& value) {
    Sandbox sandbox;
    sandbox.container_id = value["container"].as_string();
    sandbox.container_name = text_of(value["name"]);
    sandbox.hostnames = value["hostnames"].as_strings();
    sandbox.active = bool_of(value["active"]);
    for (const json::Value& endpoint : value["endpoints"].as_array())
        sandbox.endpoints.push_back(parse_endpoint(endpoint));
    for (const json::Value& port : value["wantedPorts"].as_array())
        sandbox.wanted_ports.push_back({text_of(port["protocol"]),
                                        port_of(port["containerPort"]),
                                        text_of(port["hostIp"]),
                                        {port_of(port["first"]), port_of(port["last"])}});
    for (const json::Value& port : value["ports"].as_array())
        sandbox.ports.push_back({text_of(port["protocol"]), port_of(port["containerPort"]),
                                 address_of(port["hostIp"]), port_of(port["hostPort"])});
    sandbox.legacy_links = value["links"].as_string_map();
    sandbox.has_name_server = bool_of(value["hasNameServer"]);
    sandbox.name_server_port = port_of(value["nameServerPort"]);
    if (value["nameServers"].is_array()) sandbox.name_servers = value["nameServers"].as_strings();
    return sandbox;
}

}  // namespace hull::network
