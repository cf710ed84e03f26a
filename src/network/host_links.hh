#pragma once
#include "linux/links.hh"
#include "network/record.hh"

#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace hull::network {

/// What a network needs of the host: bridges, host ends of veth pairs, sysctls. Thread-safe.
class HostLinks {
public:
    /// `sets_forwarding`: the host is made to pass packets on when it does not.
    explicit HostLinks(bool sets_forwarding = true);

    /// Subnets that are reachable from here, so that no network gets them.
    std::vector<Subnet> taken_subnets();
    /// MTU of the interface the default route leaves by; 1500 when there is none.
    std::uint32_t uplink_mtu();
    /// The address a container reaches this host by: that of the uplink, of the family.
    std::optional<IpAddress> uplink_address(bool is_v6);
    bool has_ipv6() const { return has_ipv6_; }

    /// The bridge of a network with its gateway addresses, made when it is not there.
    /// Returns its index. Throws conflict when the name is that of another kind of interface.
    int make_bridge(const Network& network, std::uint32_t mtu);
    void remove_link(const std::string& name);  ///< missing is fine
    std::optional<linux_::Link> find_link(const std::string& name);
    std::vector<linux_::Link> list_ports(const std::string& bridge);
    void request(std::vector<linux_::NetlinkMessage> messages);

private:
    std::optional<linux_::Route> default_route(bool is_v6);

    std::mutex mutex_;
    linux_::NetlinkSocket socket_;
    const bool sets_forwarding_;
    const bool has_ipv6_;
};

}  // namespace hull::network
