#include "linux/links.hh"

#include "base/error.hh"

#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace hull::linux_ {

namespace {

unsigned char family_of(const IpAddress& address) { return address.is_v6() ? AF_INET6 : AF_INET; }

ifinfomsg link_header(int index = 0, bool up = false) {
    ifinfomsg header{};
    header.ifi_family = AF_UNSPEC;
    header.ifi_index = index;
    if (up) {
        header.ifi_flags = IFF_UP;
        header.ifi_change = IFF_UP;
    }
    return header;
}

Link read_link(const NetlinkReply& reply) {
    const auto header = reply.header<ifinfomsg>();
    Link link;
    link.index = header.ifi_index;
    link.up = header.ifi_flags & IFF_UP;
    for_each_attribute(reply.attributes(sizeof header), [&](const NetlinkAttribute& attribute) {
        if (attribute.type == IFLA_IFNAME) link.name = attribute.text();
        if (attribute.type == IFLA_MTU) link.mtu = attribute.get<std::uint32_t>();
        if (attribute.type == IFLA_MASTER) link.master = attribute.get<int>();
        if (attribute.type == IFLA_LINKINFO)
            for_each_attribute(attribute.value, [&](const NetlinkAttribute& info) {
                if (info.type == IFLA_INFO_KIND) link.kind = info.text();
            });
    });
    return link;
}

void append_routes(NetlinkSocket& socket, unsigned char family, std::vector<Route>& routes) {
    rtmsg wanted{};
    wanted.rtm_family = family;
    NetlinkMessage message(RTM_GETROUTE, 0, "listing routes");
    message.header(wanted);
    const std::array<std::byte, 16> zero{};
    socket.dump(std::move(message), [&](const NetlinkReply& reply) {
        const auto header = reply.header<rtmsg>();
        if (header.rtm_table == RT_TABLE_LOCAL || header.rtm_type != RTN_UNICAST) return;
        Route route;
        route.destination.base = IpAddress(std::span(zero).first(family == AF_INET ? 4U : 16U));
        route.destination.prefix = header.rtm_dst_len;
        for_each_attribute(reply.attributes(sizeof header), [&](const NetlinkAttribute& attribute) {
            if (attribute.type == RTA_DST) route.destination.base = IpAddress(attribute.value);
            if (attribute.type == RTA_OIF) route.link = attribute.get<int>();
            if (attribute.type == RTA_PRIORITY) route.priority = attribute.get<std::uint32_t>();
        });
        routes.push_back(std::move(route));
    });
}

NetlinkMessage address_message(std::uint16_t type, std::uint16_t flags, int link,
                               const Subnet& address, std::string what) {
    ifaddrmsg header{};
    header.ifa_family = family_of(address.base);
    header.ifa_prefixlen = static_cast<unsigned char>(address.prefix);
    header.ifa_flags = address.base.is_v6() ? IFA_F_NODAD : 0;
    header.ifa_scope = RT_SCOPE_UNIVERSE;
    header.ifa_index = static_cast<unsigned>(link);
    NetlinkMessage message(type, flags, std::move(what));
    message.header(header);
    message.add(IFA_LOCAL, address.base.bytes());
    message.add(IFA_ADDRESS, address.base.bytes());
    if (address.base.is_v4() && type == RTM_NEWADDR)
        message.add(IFA_BROADCAST, address.last().bytes());
    return message;
}

NetlinkMessage route_message(std::uint16_t type, std::uint16_t flags, int link,
                             const Subnet& destination, const IpAddress& gateway,
                             std::string what) {
    rtmsg header{};
    header.rtm_family = family_of(destination.base);
    header.rtm_dst_len = static_cast<unsigned char>(destination.prefix);
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_protocol = RTPROT_BOOT;
    header.rtm_scope = gateway.empty() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    header.rtm_type = RTN_UNICAST;
    NetlinkMessage message(type, flags, std::move(what));
    message.header(header);
    if (destination.prefix > 0) message.add(RTA_DST, destination.base.bytes());
    if (!gateway.empty()) message.add(RTA_GATEWAY, gateway.bytes());
    message.add_value(RTA_OIF, link);
    return message;
}

}  // namespace

std::string format_mac(const MacAddress& mac) {
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3],
                       mac[4], mac[5]);
}

std::optional<MacAddress> parse_mac(std::string_view text) {
    if (text.size() != 17) return std::nullopt;
    MacAddress mac{};
    for (std::size_t i = 0; i < mac.size(); ++i) {
        const auto digit = [](char c) {
            if (c >= '0' && c <= '9') return c - '0';
            c = static_cast<char>(c | 0x20);
            return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        };
        const int high = digit(text[3 * i]), low = digit(text[3 * i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        if (i < 5 && text[3 * i + 2] != ':' && text[3 * i + 2] != '-') return std::nullopt;
        mac[i] = static_cast<std::uint8_t>(high * 16 + low);
    }
    return mac;
}

std::vector<Link> list_links(NetlinkSocket& socket) {
    std::vector<Link> links;
    NetlinkMessage message(RTM_GETLINK, 0, "listing interfaces");
    message.header(link_header());
    socket.dump(std::move(message),
                [&](const NetlinkReply& reply) { links.push_back(read_link(reply)); });
    return links;
}

std::optional<Link> find_link(NetlinkSocket& socket, const std::string& name) {
    std::optional<Link> link;
    NetlinkMessage message(RTM_GETLINK, 0, "interface " + name);
    message.header(link_header());
    message.add_text(IFLA_IFNAME, name);
    try {
        socket.get(std::move(message), [&](const NetlinkReply& reply) { link = read_link(reply); });
    } catch (const Error& error) {
        if (error.error_number() != ENODEV) throw;
    }
    return link;
}

std::vector<Route> list_routes(NetlinkSocket& socket) {
    std::vector<Route> routes;
    append_routes(socket, AF_INET, routes);
    append_routes(socket, AF_INET6, routes);
    return routes;
}

std::vector<LinkAddress> list_addresses(NetlinkSocket& socket) {
    std::vector<LinkAddress> addresses;
    NetlinkMessage message(RTM_GETADDR, 0, "listing addresses");
    message.header(ifaddrmsg{});
    socket.dump(std::move(message), [&](const NetlinkReply& reply) {
        const auto header = reply.header<ifaddrmsg>();
        LinkAddress address;
        address.link = static_cast<int>(header.ifa_index);
        address.address.prefix = header.ifa_prefixlen;
        address.is_global = header.ifa_scope == RT_SCOPE_UNIVERSE;
        for_each_attribute(reply.attributes(sizeof header), [&](const NetlinkAttribute& attribute) {
            const bool is_local = attribute.type == IFA_LOCAL;
            if (is_local || (attribute.type == IFA_ADDRESS && address.address.base.empty()))
                address.address.base = IpAddress(attribute.value);
        });
        if (!address.address.base.empty()) addresses.push_back(std::move(address));
    });
    return addresses;
}

NetlinkMessage make_bridge(const std::string& name, const MacAddress& mac, std::uint32_t mtu) {
    NetlinkMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "making bridge " + name);
    message.header(link_header(0, true));
    message.add_text(IFLA_IFNAME, name);
    message.add(IFLA_ADDRESS, std::as_bytes(std::span(mac)));
    if (mtu != 0) message.add_value(IFLA_MTU, mtu);
    message.nest(IFLA_LINKINFO, [&] { message.add_text(IFLA_INFO_KIND, "bridge"); });
    return message;
}

NetlinkMessage make_veth(const VethPlan& plan) {
    NetlinkMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
                           fmt::format("making interface {}", plan.host_name));
    message.header(link_header(0, true));
    message.add_text(IFLA_IFNAME, plan.host_name);
    message.add_value(IFLA_MTU, plan.mtu);
    message.add_value(IFLA_MASTER, plan.bridge);
    message.nest(IFLA_LINKINFO, [&] {
        message.add_text(IFLA_INFO_KIND, "veth");
        message.nest(IFLA_INFO_DATA, [&] {
            message.nest(VETH_INFO_PEER, [&] {
                // Not up: the kernel opens it before it has a peer, which is ENOTCONN.
                message.header(link_header());
                message.add_text(IFLA_IFNAME, plan.peer_name);
                message.add_value(IFLA_MTU, plan.mtu);
                message.add(IFLA_ADDRESS, std::as_bytes(std::span(plan.peer_mac)));
                message.add_value(IFLA_NET_NS_FD, plan.peer_namespace);
            });
        });
    });
    return message;
}

NetlinkMessage make_sublink(const SubLinkPlan& plan) {
    static constexpr std::pair<std::string_view, std::uint32_t> macvlan_modes[] = {
        {"bridge", MACVLAN_MODE_BRIDGE},
        {"private", MACVLAN_MODE_PRIVATE},
        {"vepa", MACVLAN_MODE_VEPA},
        {"passthru", MACVLAN_MODE_PASSTHRU},
    };
    static constexpr std::pair<std::string_view, std::uint16_t> ipvlan_modes[] = {
        {"l2", IPVLAN_MODE_L2}, {"l3", IPVLAN_MODE_L3}, {"l3s", IPVLAN_MODE_L3S}};
    NetlinkMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
                           fmt::format("making {} interface {}", plan.kind, plan.name));
    message.header(link_header());
    message.add_text(IFLA_IFNAME, plan.name);
    message.add_value(IFLA_LINK, plan.parent);
    if (plan.mtu != 0) message.add_value(IFLA_MTU, plan.mtu);
    if (plan.mac) message.add(IFLA_ADDRESS, std::as_bytes(std::span(*plan.mac)));
    message.add_value(IFLA_NET_NS_FD, plan.target_namespace);
    message.nest(IFLA_LINKINFO, [&] {
        message.add_text(IFLA_INFO_KIND, plan.kind);
        message.nest(IFLA_INFO_DATA, [&] {
            for (const auto& [name, mode] : macvlan_modes)
                if (plan.kind == "macvlan" && plan.mode == name)
                    message.add_value(IFLA_MACVLAN_MODE, mode);
            for (const auto& [name, mode] : ipvlan_modes)
                if (plan.kind == "ipvlan" && plan.mode == name)
                    message.add_value(IFLA_IPVLAN_MODE, mode);
        });
    });
    return message;
}

NetlinkMessage set_link_up(int index, bool up) {
    ifinfomsg header = link_header(index);
    header.ifi_change = IFF_UP;
    header.ifi_flags = up ? IFF_UP : 0;
    NetlinkMessage message(RTM_NEWLINK, 0, fmt::format("setting interface {} up", index));
    message.header(header);
    return message;
}

NetlinkMessage set_link_mtu(int index, std::uint32_t mtu) {
    NetlinkMessage message(RTM_NEWLINK, 0, fmt::format("setting the MTU of interface {}", index));
    message.header(link_header(index));
    message.add_value(IFLA_MTU, mtu);
    return message;
}

NetlinkMessage set_hairpin(int index) {
    ifinfomsg header = link_header(index);
    header.ifi_family = AF_BRIDGE;
    NetlinkMessage message(RTM_SETLINK, 0, fmt::format("hairpin mode of interface {}", index));
    message.header(header);
    message.nest(IFLA_PROTINFO, [&] { message.add_value(IFLA_BRPORT_MODE, std::uint8_t{1}); });
    return message;
}

NetlinkMessage delete_link(const std::string& name) {
    NetlinkMessage message(RTM_DELLINK, 0, "removing interface " + name);
    message.header(link_header());
    message.add_text(IFLA_IFNAME, name);
    return message;
}

NetlinkMessage add_address(int link, const Subnet& address) {
    return address_message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, link, address,
                           "adding address " + address.text());
}

NetlinkMessage delete_address(int link, const Subnet& address) {
    return address_message(RTM_DELADDR, 0, link, address, "removing address " + address.text());
}

NetlinkMessage add_route(int link, const Subnet& destination, const IpAddress& gateway) {
    return route_message(
        RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, link, destination, gateway,
        fmt::format("adding the route to {} over {}", destination.text(), gateway.text()));
}

NetlinkMessage delete_route(int link, const Subnet& destination, const IpAddress& gateway) {
    return route_message(RTM_DELROUTE, 0, link, destination, gateway,
                         fmt::format("removing the route to {}", destination.text()));
}

Subnet everywhere(const IpAddress& like) { return {like.first_of(0), 0}; }

}  // namespace hull::linux_
