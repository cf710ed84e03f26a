#include "network/host_links.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/hash.hh"
#include "base/log.hh"
#include "base/sys.hh"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace hull::network {

namespace {

constexpr const char* conf4 = "/proc/sys/net/ipv4/conf/";
constexpr const char* conf6 = "/proc/sys/net/ipv6/conf/";

void set_sysctl(const Path& path, std::string_view value) {
    std::string now = find_file(path).value_or("");
    while (now.ends_with('\n')) now.pop_back();
    if (now == value) return;
    try {
        write_file(path, value);
    } catch (const Error& error) {
        throw Error(ErrorKind::unavailable, "setting {} to {}: {}", path, value, error.message());
    }
}

/// Locally administered and always the same for a bridge, so that neighbours need not ask again.
linux_::MacAddress bridge_mac(const std::string& network_id) {
    const std::string digest = sha256_hex(network_id);
    linux_::MacAddress mac{0x02, 0x42};
    for (std::size_t i = 2; i < mac.size(); ++i)
        mac[i] = static_cast<std::uint8_t>(std::stoi(digest.substr(2 * i, 2), nullptr, 16));
    return mac;
}

void set_bridge_sysctls(const Network& network, bool has_v6, bool sets_forwarding) {
    const std::string& bridge = network.interface;
    if (sets_forwarding) set_sysctl("/proc/sys/net/ipv4/ip_forward", "1");
    // The host's loopback can be published: 127.0.0.1 leaves by this bridge and by no other way.
    set_sysctl(join(conf4, bridge + "/route_localnet"), "1");
    if (!has_v6) {
        if (sys::find_stat(join(conf6, bridge)))
            set_sysctl(join(conf6, bridge + "/disable_ipv6"), "1");
        return;
    }
    set_sysctl(join(conf6, bridge + "/disable_ipv6"), "0");
    set_sysctl(join(conf6, bridge + "/accept_ra"), "0");
    if (!sets_forwarding) return;
    // A host that forwards stops listening to routers unless it is told to go on.
    const Path forwarding = join(conf6, "all/forwarding");
    if (find_file(forwarding).value_or("").starts_with("0")) {
        for (const std::string& name : sys::list_directories(conf6)) {
            const Path accept = join(conf6, name + "/accept_ra");
            if (name != "all" && find_file(accept).value_or("").starts_with("1"))
                set_sysctl(accept, "2");
        }
        set_sysctl(forwarding, "1");
    }
}

}  // namespace

HostLinks::HostLinks(bool sets_forwarding)
    : socket_(NETLINK_ROUTE),
      sets_forwarding_(sets_forwarding),
      has_ipv6_(sys::find_stat("/proc/sys/net/ipv6").has_value()) {}

std::vector<Subnet> HostLinks::taken_subnets() {
    std::lock_guard lock(mutex_);
    std::vector<Subnet> taken;
    for (const linux_::Route& route : linux_::list_routes(socket_))
        if (route.destination.prefix > 0) taken.push_back(route.destination);
    for (const linux_::LinkAddress& address : linux_::list_addresses(socket_))
        taken.push_back({address.address.first(), address.address.prefix});
    return taken;
}

std::optional<linux_::Route> HostLinks::default_route(bool is_v6) {
    std::optional<linux_::Route> best;
    for (const linux_::Route& route : linux_::list_routes(socket_))
        if (route.destination.prefix == 0 && route.destination.base.is_v6() == is_v6 &&
            route.link != 0 && (!best || route.priority < best->priority))
            best = route;
    return best;
}

std::uint32_t HostLinks::uplink_mtu() {
    constexpr std::uint32_t usual = 1500;
    std::lock_guard lock(mutex_);
    auto route = default_route(false);
    if (!route) route = default_route(true);
    if (!route) return usual;
    for (const linux_::Link& link : linux_::list_links(socket_))
        if (link.index == route->link) return std::min(link.mtu, 65535U);
    return usual;
}

std::optional<IpAddress> HostLinks::uplink_address(bool is_v6) {
    std::lock_guard lock(mutex_);
    const auto route = default_route(is_v6);
    if (!route) return std::nullopt;
    for (const linux_::LinkAddress& address : linux_::list_addresses(socket_))
        if (address.link == route->link && address.is_global &&
            address.address.base.is_v6() == is_v6)
            return address.address.base;
    return std::nullopt;
}

int HostLinks::make_bridge(const Network& network, std::uint32_t mtu) {
    constexpr std::uint32_t least_mtu_v6 = 1280;  // RFC 8200: the kernel has no IPv6 below
    for (const AddressConfig& config : network.addresses)
        if (config.subnet.base.is_v6() && mtu < least_mtu_v6)
            throw Error(ErrorKind::invalid_argument,
                        "IPv6 needs an MTU of {} or more, {} has {}: set --mtu or "
                        "-o com.docker.network.driver.mtu",
                        least_mtu_v6, network.name, mtu);
    std::lock_guard lock(mutex_);
    const std::string& name = network.interface;
    auto link = linux_::find_link(socket_, name);
    if (link && link->kind != "bridge")
        throw Error(ErrorKind::conflict, "interface {} exists and is no bridge", name);
    const bool is_new = !link;
    if (is_new) {
        socket_.request(linux_::make_bridge(name, bridge_mac(network.id), mtu));
        link = linux_::find_link(socket_, name);
        if (!link) throw Error(ErrorKind::internal, "bridge {} is gone again", name);
    }
    try {
        std::vector<linux_::NetlinkMessage> messages;
        if (!is_new) messages.push_back(linux_::set_link_up(link->index));
        bool has_v6 = false;
        for (const AddressConfig& config : network.addresses) {
            has_v6 = has_v6 || config.subnet.base.is_v6();
            const bool is_v6 = config.subnet.base.is_v6();
            const std::string mode = network.option(
                std::string("com.docker.network.bridge.gateway_mode_ipv") + (is_v6 ? "6" : "4"));
            if (config.gateway.empty() || mode == "isolated" ||
                (!is_v6 && network.flag("com.docker.network.bridge.inhibit_ipv4", false)))
                continue;
            messages.push_back(
                linux_::add_address(link->index, {config.gateway, config.subnet.prefix}));
        }
        set_bridge_sysctls(network, has_v6, sets_forwarding_);
        socket_.request(messages);
    } catch (...) {
        if (is_new) socket_.request(linux_::delete_link(name));
        throw;
    }
    return link->index;
}

void HostLinks::remove_link(const std::string& name) {
    std::lock_guard lock(mutex_);
    try {
        socket_.request(linux_::delete_link(name));
    } catch (const Error& error) {
        if (error.error_number() != ENODEV) throw;
    }
}

std::optional<linux_::Link> HostLinks::find_link(const std::string& name) {
    std::lock_guard lock(mutex_);
    return linux_::find_link(socket_, name);
}

std::vector<linux_::Link> HostLinks::list_ports(const std::string& bridge) {
    std::lock_guard lock(mutex_);
    std::vector<linux_::Link> ports;
    const auto master = linux_::find_link(socket_, bridge);
    if (!master) return ports;
    for (linux_::Link& link : linux_::list_links(socket_))
        if (link.master == master->index) ports.push_back(std::move(link));
    return ports;
}

void HostLinks::request(std::vector<linux_::NetlinkMessage> messages) {
    std::lock_guard lock(mutex_);
    socket_.request(messages);
}

}  // namespace hull::network
