#pragma once
#include "base/fd.hh"
#include "network/record.hh"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

namespace hull::network {

/// IPPROTO_* of "tcp", "udp" or "sctp". Throws invalid_argument "invalid proto: X".
std::uint8_t protocol_number(const std::string& name);

/// "tcp [::]:80"
std::string port_key(const PublishedPort& port);

/// The host's ports that we publish. Each is held by a bound socket of its family, so that no
/// program of the host can take it unseen and the kernel does not give it to a client. Thread-safe.
class PortKeeper {
public:
    /// Ports for all requests of a container, or none of them. A request for "any" port gets the
    /// same number in both families. Throws conflict with the owner's name when one is taken.
    /// `ipv6_host`: "any address" is one of both families. Sockets of ports that `is_relayed` are
    /// there for clients: they listen.
    using Predicate = std::function<bool(const PublishedPort&)>;
    std::vector<PublishedPort> claim(const std::string& owner,
                                     const std::vector<PortRequest>& requests, bool ipv6_host,
                                     const Predicate& is_relayed);
    /// Takes what a running container has had before we came; `sockets`: by key, those that
    /// hull-relay has kept.
    void restore(const std::string& owner, const std::vector<PublishedPort>& ports,
                 const Predicate& is_relayed, std::map<std::string, Fd>& sockets);
    void release(const std::vector<PublishedPort>& ports);
    /// null when there is none.
    std::shared_ptr<const Fd> find_socket(const PublishedPort& port);

private:
    using Key = std::tuple<std::string, std::uint16_t, IpAddress>;  ///< neighbours share a port
    static Key key_of(const PublishedPort& port) {
        return {port.protocol, port.host_port, port.host_ip};
    }
    struct Held {
        std::string owner;
        std::shared_ptr<const Fd> socket;  ///< ours and, of a relayed port, the relay keeper's
    };
    using Socket = std::shared_ptr<const Fd>;
    enum class Reach { one_family, both_families };
    static Fd bind(const PublishedPort& port, bool listens, Reach reach);
    /// One for each port, in their order; a relayed port of all addresses has one for both
    /// families.
    static std::vector<Socket> open_sockets(const std::vector<PublishedPort>& ports,
                                            const Predicate& is_relayed,
                                            std::map<std::string, Fd>& kept, bool may_fail);
    // With mutex_ held.
    const std::string* find_owner(const PublishedPort& port) const;
    bool try_claim(const std::string& owner, const std::vector<PublishedPort>& ports,
                   const Predicate& is_relayed, std::string& reason);
    std::vector<PublishedPort> claim_one(const std::string& owner, const PortRequest& request,
                                         bool ipv6_host, const Predicate& is_relayed);

    std::mutex mutex_;
    std::map<Key, Held> held_;
    std::uint16_t next_ = 0;  ///< where the search for a free port goes on
};

}  // namespace hull::network
