#pragma once
#include "linux/ip.hh"
#include "linux/netlink.hh"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// Interfaces, addresses and routes as netlink messages: the caller sends several with one system
/// call. Source: rtnetlink(7), kernel include/uapi/linux/if_link.h.
namespace hull::linux_ {

using MacAddress = std::array<std::uint8_t, 6>;
std::string format_mac(const MacAddress& mac);               ///< "02:42:ac:11:00:02"
std::optional<MacAddress> parse_mac(std::string_view text);  ///< also with dashes
/// Longest name of an interface, without the NUL.
inline constexpr std::size_t max_link_name = 15;

struct Link {
    int index = 0, master = 0;  ///< master 0: none
    std::string name, kind;     ///< kind "": hardware
    std::uint32_t mtu = 0;
    bool up = false;
};

struct Route {
    Subnet destination;  ///< prefix 0 is the default route
    int link = 0;
    std::uint32_t priority = 0;
};

std::vector<Link> list_links(NetlinkSocket& socket);
std::optional<Link> find_link(NetlinkSocket& socket, const std::string& name);
/// Unicast routes of all tables but "local", both families.
std::vector<Route> list_routes(NetlinkSocket& socket);
/// Addresses of all interfaces with their prefix.
struct LinkAddress {
    int link = 0;
    Subnet address;         ///< base keeps its host part
    bool is_global = true;  ///< scope "global"
};
std::vector<LinkAddress> list_addresses(NetlinkSocket& socket);

/// A bridge, up. With the MAC given it keeps it when ports come and go.
NetlinkMessage make_bridge(const std::string& name, const MacAddress& mac, std::uint32_t mtu);

/// A pair of interfaces, one end here as a port of a bridge, the other in another namespace from
/// the start: moving an interface costs 15 ms. The end here is up, the other one is not yet.
struct VethPlan {
    std::string host_name;  ///< of the end that stays here
    int bridge = 0;         ///< index
    std::uint32_t mtu = 1500;
    std::string peer_name;  ///< "eth0"
    MacAddress peer_mac{};
    int peer_namespace = -1;  ///< descriptor
};
NetlinkMessage make_veth(const VethPlan& plan);

/// A macvlan or ipvlan child of `parent`, made in another namespace.
struct SubLinkPlan {
    std::string kind, mode;  ///< "macvlan" with bridge/private/vepa/passthru, "ipvlan" with l2/l3
    int parent = 0;
    std::uint32_t mtu = 0;
    std::string name;
    std::optional<MacAddress> mac;
    int target_namespace = -1;
};
NetlinkMessage make_sublink(const SubLinkPlan& plan);

NetlinkMessage set_link_up(int index, bool up = true);
NetlinkMessage set_link_mtu(int index, std::uint32_t mtu);
/// Frames may leave through the port they came from: a container reaches itself through its own
/// published port (R63).
NetlinkMessage set_hairpin(int index);
NetlinkMessage delete_link(const std::string& name);
/// IPv6 addresses are usable at once (no duplicate address detection).
NetlinkMessage add_address(int link, const Subnet& address);
NetlinkMessage delete_address(int link, const Subnet& address);
/// `gateway` empty: the destination is on the link itself.
NetlinkMessage add_route(int link, const Subnet& destination, const IpAddress& gateway);
NetlinkMessage delete_route(int link, const Subnet& destination, const IpAddress& gateway);
/// The whole address space of the family of `like`: the destination of a default route.
Subnet everywhere(const IpAddress& like);

}  // namespace hull::linux_
