#pragma once
#include "base/json.hh"
#include "linux/ip.hh"
#include "linux/links.hh"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hull::network {

using linux_::IpAddress;
using linux_::Subnet;
using StringMap = std::map<std::string, std::string>;

/// One subnet of a network.
struct AddressConfig {
    Subnet subnet;
    std::optional<Subnet> range;                 ///< addresses are taken from here only
    IpAddress gateway;                           ///< empty: chosen by us (bridge), none (others)
    std::map<std::string, IpAddress> auxiliary;  ///< kept free for others
    bool is_chosen = false;                      ///< by us: its addresses cannot be asked for
};

struct Network {
    std::string id, name;
    std::string driver;  ///< "bridge", "host", "null", "macvlan", "ipvlan"
    std::int64_t created_ns = 0;
    bool internal = false, attachable = false;
    bool config_only = false;  ///< settings for others, which name it as `config_from`
    std::string config_from;   ///< name
    bool ipv4 = true, ipv6 = false;
    StringMap options, labels, ipam_options;
    std::vector<AddressConfig> addresses;
    std::string interface;  ///< the bridge, or the parent of macvlan and ipvlan
    std::string recipe;     ///< of "bridge": the daemon's options it was made from

    bool is_predefined() const { return name == "bridge" || name == "host" || name == "none"; }
    /// One option as a boolean; `otherwise` when absent.
    bool flag(const std::string& option, bool otherwise) const;
    std::string option(const std::string& name) const;
};
using NetworkPointer = std::shared_ptr<const Network>;  ///< the table and every reader own it

/// What a container wants of one network.
struct EndpointConfig {
    std::string network_id;
    IpAddress ipv4, ipv6;  ///< empty: chosen by us
    std::string mac;       ///< empty: chosen by us
    std::vector<std::string> aliases, links;
    StringMap driver_options;
    std::vector<IpAddress> link_local;  ///< on the interface besides
    std::int64_t gateway_priority = 0;
};

/// A container's leg in a network. The fields after `id` are empty while the container does not
/// run.
struct Endpoint {
    EndpointConfig config;
    std::string id;
    std::string interface;  ///< in the container: "eth0"
    int interface_index = 0;
    std::string host_link;  ///< the other end on the host
    std::string mac;
    Subnet ipv4, ipv6;  ///< address with the subnet's prefix
    IpAddress gateway4, gateway6;
};

struct PortRange {
    std::uint16_t first = 0, last = 0;  ///< 0: any
};

/// What "-p" asked for.
struct PortRequest {
    std::string protocol;  ///< "tcp", "udp", "sctp"
    std::uint16_t container_port = 0;
    std::string host_ip;  ///< "": all addresses, both families
    PortRange host;
};

/// A port of the host that leads to a container.
struct PublishedPort {
    std::string protocol;
    std::uint16_t container_port = 0;
    IpAddress host_ip;            ///< 0.0.0.0 and :: are all of their family
    std::uint16_t host_port = 0;  ///< 0: a routed network, where it is reached at its own address
};

/// All of a container's network. Immutable once published.
struct Sandbox {
    std::string container_id, container_name;
    std::vector<std::string> hostnames;  ///< names besides the aliases
    bool active = false;                 ///< the container runs
    std::vector<Endpoint> endpoints;     ///< the first one is that of the network mode
    std::vector<PortRequest> wanted_ports;
    std::vector<PublishedPort> ports;
    StringMap legacy_links;                 ///< of the default bridge: alias -> container
    std::vector<std::string> name_servers;  ///< of --dns
    bool has_name_server = false;           ///< while active: ours, at 127.0.0.11
    std::uint16_t name_server_port = 0;     ///< where that really listens

    const Endpoint* find_endpoint(const std::string& network_id) const;
};
using SandboxPointer = std::shared_ptr<const Sandbox>;  ///< the table and every reader own it

/// What the other containers of a network may call this one: name, aliases, short id, host name.
std::vector<std::string> names_of(const Sandbox& sandbox, const Endpoint& endpoint);

json::Value to_json(const Network& network);
Network parse_network(const json::Value& value);
json::Value to_json(const Sandbox& sandbox);
Sandbox parse_sandbox(const json::Value& value);

}  // namespace hull::network
