#pragma once
#include "linux/ip.hh"

#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace hull::network {

using linux_::IpAddress;
using linux_::Subnet;

/// The addresses of one subnet. New ones follow the last one given, so that an address does not
/// come back before the interface that had it is gone (LIMITS.md section 1).
class AddressPool {
public:
    /// Addresses are taken from `range` when there is one. The network's own and the broadcast
    /// address are never given.
    AddressPool(Subnet subnet, std::optional<Subnet> range);

    /// Throws invalid_argument outside of the subnet, forbidden "Address already in use".
    void reserve(const IpAddress& address);
    /// Throws unavailable when all are taken.
    IpAddress take();
    void release(const IpAddress& address);

    const Subnet& subnet() const { return subnet_; }
    bool has(const IpAddress& address) const { return taken_.contains(address); }

private:
    bool is_special(const IpAddress& address) const;

    Subnet subnet_, range_;
    std::set<IpAddress> taken_;
    IpAddress last_;
};

/// Where subnets come from when a request names none: pieces of `size` bits out of `base`.
struct SubnetSource {
    Subnet base;
    int size = 0;
};

/// "base=10.10.0.0/16,size=24", as dockerd's --default-address-pool. Throws invalid_argument.
SubnetSource parse_subnet_source(const std::string& text);

/// Docker's pools in Docker's order, and behind them room for 32768 networks more: hosts ran out
/// at 31 networks.
std::vector<SubnetSource> default_subnet_sources();

/// A /48 of unique local addresses that is always the same for `seed`, in pieces of /64. RFC 4193.
SubnetSource unique_local_source(std::string_view seed);

/// The first piece of the family that overlaps none of `taken`. Throws unavailable when there is
/// none left.
Subnet choose_subnet(std::span<const SubnetSource> sources, bool is_v6,
                     std::span<const Subnet> taken);

}  // namespace hull::network
