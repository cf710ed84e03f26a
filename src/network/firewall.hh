#pragma once
#include "base/stop.hh"
#include "linux/nft.hh"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace hull::network {

using linux_::IpAddress;
using linux_::Subnet;

/// What one bridge may do.
struct BridgeRules {
    std::string bridge;
    std::vector<Subnet> subnets;
    bool internal = false;   ///< nothing leaves it and nothing comes in
    bool talks = true;       ///< its containers reach each other
    bool masquerade = true;  ///< the world sees the host's address
    /// Its containers are reached at their own addresses: from these interfaces of the host, or
    /// from everywhere.
    std::vector<std::string> trusted;
    bool is_open4 = false, is_open6 = false;
    /// No address is translated: the world comes to what containers publish at their own address.
    bool is_routed4 = false, is_routed6 = false;
};

/// A port of the host that leads to a container of the same family, or a port of a container of a
/// routed network: then `host_port` is 0.
struct Forward {
    std::uint8_t protocol = 6;  ///< IPPROTO_*
    IpAddress host_ip;          ///< unspecified: any of the host's addresses
    std::uint16_t host_port = 0;
    IpAddress target;
    std::uint16_t target_port = 0;

    auto operator<=>(const Forward&) const = default;
};

/// Our one nftables table. Its rules are the same for one port and for ten thousand: ports are
/// elements of maps, bridges and subnets elements of sets. It touches no foreign rule, is made with
/// the first bridge, and is put back when somebody flushes it (R65). Thread-safe.
class Firewall {
public:
    /// `outside_through_input`: what comes from outside to a published port is left to the host's
    /// own input rules and to hull-relay.
    explicit Firewall(std::string table, bool outside_through_input = false);
    ~Firewall();  ///< the table stays
    Firewall(const Firewall&) = delete;
    Firewall& operator=(const Firewall&) = delete;

    /// Adds or changes a bridge. Throws unavailable where the kernel has no nftables.
    void set_bridge(const BridgeRules& rules);
    /// The table goes with its last bridge.
    void remove_bridge(const std::string& bridge);
    /// All or nothing.
    void add_forwards(std::span<const Forward> forwards);
    void remove_forwards(std::span<const Forward> forwards);
    /// What a new daemon wants, in one batch; replaces what an earlier one has left.
    void reset(std::vector<BridgeRules> bridges, std::vector<Forward> forwards);

    /// Chains of others that drop forwarded packets unless a rule of theirs lets them pass, which
    /// ours cannot overrule: "chain FORWARD of table ip filter". Empty where that cannot be told.
    static std::vector<std::string> list_obstacles();

    const std::string& table() const { return table_; }

private:
    void rebuild();  ///< with mutex_ held
    void remove_table();
    void watch();

    const std::string table_;
    const bool outside_through_input_;
    std::mutex mutex_;  ///< guards everything below
    std::unique_ptr<linux_::NetlinkSocket> socket_;
    std::map<std::string, BridgeRules> bridges_;
    std::set<Forward> forwards_;
    bool is_made_ = false;

    StopEvent stop_;
    std::thread watcher_;
};

}  // namespace hull::network
