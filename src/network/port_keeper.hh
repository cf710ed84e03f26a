#pragma once
#include "base/fd.hh"
#include "network/record.hh"

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

namespace hull::network {

/// IPPROTO_* of "tcp", "udp" or "sctp". Throws invalid_argument "invalid proto: X".
std::uint8_t protocol_number(const std::string& name);

/// The host's ports that we publish. Each is held by a bound socket of its family, so that no
/// program of the host can take it unseen and the kernel does not give it to a client. Thread-safe.
class PortKeeper {
public:
    /// Ports for all requests of a container, or none of them. A request for "any" port gets the
    /// same number in both families. Throws conflict with the owner's name when one is taken.
    /// `families`: which the container has.
    std::vector<PublishedPort> claim(const std::string& owner,
                                     const std::vector<PortRequest>& requests, bool ipv6_host);
    /// Takes what a running container has had before we came.
    void restore(const std::string& owner, const std::vector<PublishedPort>& ports);
    void release(const std::vector<PublishedPort>& ports);

private:
    using Key = std::tuple<std::string, std::uint16_t, IpAddress>;  ///< neighbours share a port
    static Key key_of(const PublishedPort& port) {
        return {port.protocol, port.host_port, port.host_ip};
    }
    struct Held {
        std::string owner;
        Fd socket;
    };
    /// With mutex_ held. Empty when another program has it.
    Fd try_bind(const PublishedPort& port) const;
    const std::string* find_owner(const PublishedPort& port) const;
    bool try_claim(const std::string& owner, const std::vector<PublishedPort>& ports,
                   std::string& reason);
    std::vector<PublishedPort> claim_one(const std::string& owner, const PortRequest& request,
                                         bool ipv6_host);

    std::mutex mutex_;
    std::map<Key, Held> held_;
    std::uint16_t next_ = 0;  ///< where the search for a free port goes on
};

}  // namespace hull::network
