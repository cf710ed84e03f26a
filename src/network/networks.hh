#pragma once
#include "db/database.hh"
#include "network/firewall.hh"
#include "network/host_links.hh"
#include "network/name_server.hh"
#include "network/namespace_pool.hh"
#include "network/pools.hh"
#include "network/port_keeper.hh"
#include "network/record.hh"
#include "network/relay_keeper.hh"

#include <sys/types.h>

#include <array>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace hull::network {

struct Options {
    std::string bridge = "hull0";  ///< interface of the network "bridge"; "none": no such network
    std::string bridge_address;    ///< "172.17.0.1/16"; "": chosen
    std::string table = "hull";    ///< nftables table
    std::vector<SubnetSource> sources;  ///< empty: default_subnet_sources()
    std::uint32_t mtu = 0;              ///< 0: the uplink's
    std::string publish_address;        ///< of "-p 80" without an address; "": all
    // Of the network "bridge".
    bool containers_talk = true;
    bool masquerade = true;
    bool forwarding = true;  ///< net.ipv4.ip_forward is set
    bool ipv6 = false;
    std::string range, range_v6;  ///< containers get addresses of these only: "172.17.1.0/24"
    std::string host_gateway;     ///< what "host-gateway" means; "": the network's gateway
    /// What comes from outside goes through the host's own input rules: it is relayed, not
    /// translated.
    bool publish_through_input = false;
    NameServerOptions names;
    RelayOptions relay;
    std::vector<std::string> name_servers;  ///< asked instead of the host's
    /// Held while a subnet is chosen and its bridge made, so that two daemons do not choose alike.
    Path lock_file = "/run/hull-network.lock";
};

/// One subnet a request asks for, as text; "" is ours to choose.
struct AddressRequest {
    std::string subnet, range, gateway;
    StringMap auxiliary;
};

struct NetworkRequest {
    std::string name, driver = "bridge", ipam_driver = "default";
    bool internal = false, attachable = false, ipv4 = true, ipv6 = false;
    bool config_only = false;
    std::string config_from;  ///< name of a network that is config_only
    StringMap options, labels, ipam_options;
    std::vector<AddressRequest> addresses;
};

/// A container's networks at its creation; the endpoints' network_id may be a name.
struct SandboxRequest {
    std::string container_id, container_name;
    std::vector<std::string> hostnames;
    std::vector<EndpointConfig> endpoints;
    std::vector<PortRequest> ports;
    StringMap legacy_links;
    std::vector<std::string> name_servers;  ///< asked instead of the host's
};

/// A started sandbox: what the runtime joins, and what is in it.
struct Attached {
    std::string namespace_path;
    SandboxPointer sandbox;
};

/// All networks of one daemon and every container's part in them. What it returns are immutable
/// snapshots. Thread-safe.
class Networks {
public:
    /// Loads what is known. Nothing is done to the host before `restore` or the first use.
    Networks(Options options, db::Database& database);
    ~Networks();
    Networks(const Networks&) = delete;
    Networks& operator=(const Networks&) = delete;

    /// Makes the host match the records after a daemon's end: `running` containers keep their
    /// ports and addresses, all else that an earlier daemon has left goes. Sandboxes of containers
    /// that `is_known` denies are forgotten. Never throws for what one network or container lacks:
    /// that is logged.
    void restore(
        const std::map<std::string, pid_t>& running,
        const std::function<bool(const std::string&)>& is_known = [](const auto&) { return true; });
    /// Removes bridges without containers and, with the last of them, the firewall table.
    void clean_up();

    // Networks.
    NetworkPointer create_network(const NetworkRequest& request);
    void remove_network(const std::string& name);
    /// By id, name or unambiguous prefix of an id. Throws not_found "network X not found".
    NetworkPointer get_network(const std::string& name);
    NetworkPointer find_network(const std::string& name);
    std::vector<NetworkPointer> list_networks();  ///< by name
    /// Removes the networks that no container has, running or not. Returns those that went.
    std::vector<NetworkPointer> prune_networks(
        const std::function<bool(const Network&)>& is_wanted);
    /// Sandboxes with an endpoint in it, by container id.
    std::vector<SandboxPointer> list_members(const std::string& network_id, bool only_active);

    // Containers.
    /// Checks and keeps what a new container wants.
    void add_sandbox(const SandboxRequest& request);
    void rename_sandbox(const std::string& container_id, const std::string& new_name);
    void remove_sandbox(const std::string& container_id);
    /// null for containers without networks of their own.
    SandboxPointer find_sandbox(const std::string& container_id);
    /// Interfaces, addresses and ports for a start; undone when it throws.
    Attached start_sandbox(const std::string& container_id);
    /// A namespace with nothing but its loopback, for a start of a container without networks.
    std::string start_alone(const std::string& container_id);
    /// The container has joined the namespace: our hold on it goes.
    void settle_start(const std::string& container_id);
    /// Nobody finds the container by a name any more, until its next start. It stays reachable by
    /// address, and finds others as before.
    void withdraw_names(const std::string& container_id);
    /// The container has ended: ports and addresses are free.
    void stop_sandbox(const std::string& container_id);

    /// `pid` 0: the container does not run and gets the endpoint at its next start.
    SandboxPointer connect(const std::string& container_id, const EndpointConfig& config,
                           pid_t pid);
    SandboxPointer disconnect(const std::string& container_id, const std::string& network_id,
                              pid_t pid);

    /// Publishes more ports, at once when the container runs, and withdraws others: of `removed`, a
    /// host address or port that is not given means every one. Throws not_found for one that is not
    /// published.
    SandboxPointer change_ports(const std::string& container_id,
                                const std::vector<PortRequest>& added,
                                const std::vector<PortRequest>& removed);
    /// The address by which a container reaches the host; nullopt when it has no network for that.
    std::optional<IpAddress> host_gateway(const Sandbox& sandbox);
    /// Its endpoint that the default route leaves by; null when there is none.
    const Endpoint* gateway_endpoint(const Sandbox& sandbox, bool is_v6);
    /// See Firewall::list_obstacles.
    static std::vector<std::string> list_obstacles() { return Firewall::list_obstacles(); }
    HostLinks& host() { return host_; }
    const Options& options() const { return options_; }

private:
    // networks.cc
    void load();
    void load_default_network();
    std::string default_network_recipe() const;
    void forget_unknown(const std::function<bool(const std::string&)>& is_known);
    void store(const Network& network);
    void store(const Sandbox& sandbox);
    void publish(Sandbox sandbox);
    void show(Sandbox sandbox);  ///< publish without a row
    std::vector<Subnet> subnets_in_use(const std::string& except_id);
    std::uint32_t mtu_of(const Network& network);
    void restore_sandbox(const Sandbox& sandbox, const std::map<std::string, pid_t>& running,
                         std::vector<Forward>& forwards, std::map<std::string, Fd>& kept_sockets);
    void remove_stale_links();

    // objects.cc
    void check_request(const NetworkRequest& request);
    NetworkRequest with_configuration(const NetworkRequest& request);
    NetworkPointer create_configuration(Network network, const NetworkRequest& request);
    void choose_addresses(Network& network, const NetworkRequest& request);
    void add_default_network();
    BridgeRules rules_of(const Network& network) const;
    static bool is_routed(const Network& network, bool is_v6);
    int ensure_bridge(const Network& network);
    void open_pools(const Network& network);

    // endpoints.cc, ports.cc
    void check_endpoint(const Network& network, const EndpointConfig& config) const;
    void assign(Sandbox& sandbox, Endpoint& endpoint, const Network& network);
    void release_addresses(const Endpoint& endpoint);
    void plug(const Namespace& target, const Sandbox& sandbox, Endpoint& endpoint,
              const Network& network);
    void plug_bridge(const Namespace& target, const Sandbox& sandbox, const Endpoint& endpoint,
                     const Network& network);
    void set_default_routes(const Namespace& target, const Sandbox& sandbox);
    static void check_ports(const std::vector<PortRequest>& ports);
    std::vector<PublishedPort> claim_ports(const Sandbox& sandbox,
                                           std::vector<PortRequest> requests);
    bool through_input() const { return options_.publish_through_input; }
    bool is_relayed(const PublishedPort& port, bool has_v4, bool has_v6) const;
    bool is_direct(const Endpoint* endpoint, bool is_v6);
    std::vector<PublishedPort> take_direct_ports(std::vector<PortRequest>& requests,
                                                 const Endpoint* v4, const Endpoint* v6);
    std::vector<RelayedPort> relays_of(const Sandbox& sandbox);
    void hold_ports(const Sandbox& sandbox, std::map<std::string, Fd>& kept_sockets);
    void open_ports(const Sandbox& sandbox);
    void close_ports(const Sandbox& sandbox);
    void move_ports(const Sandbox& before, const Sandbox& after);
    void publish_ports(Sandbox& sandbox);
    void withdraw_ports(Sandbox& sandbox);
    std::vector<Forward> forwards_of(const Sandbox& sandbox);
    void undo_start(Sandbox& sandbox);
    bool uses_network_names(const Sandbox& sandbox);  ///< has a user-defined network
    bool needs_name_server(const Sandbox& sandbox);
    void tell_names(const Sandbox& sandbox);
    names::Record make_record(const Sandbox& sandbox);
    Sandbox copy_sandbox(const std::string& container_id);
    void remove_link_later(const Endpoint& endpoint);
    void remove_links();

    const Options options_;
    db::Database& database_;
    HostLinks host_;
    Firewall firewall_;
    PortKeeper ports_;
    RelayKeeper relay_;
    NamespacePool namespaces_;
    NameServer names_;

    std::shared_mutex restore_mutex_;  ///< `restore` alone, or changes of containers; first of all
    /// By hash of the container's id: changes of one container follow each other; second.
    std::array<std::mutex, 64> change_mutexes_;
    std::mutex& change_mutex(const std::string& container_id) {
        return change_mutexes_[std::hash<std::string>()(container_id) % change_mutexes_.size()];
    }
    void stop_locked(const std::string& container_id);
    std::mutex setup_mutex_;  ///< one thread makes bridges and chooses subnets; before mutex_
    std::mutex mutex_;        ///< guards everything below; never held across netlink
    std::map<std::string, NetworkPointer> networks_;  ///< by id
    std::map<std::string, SandboxPointer> sandboxes_;
    std::map<std::string, Namespace> starting_;              ///< by container id
    std::map<std::string, std::vector<AddressPool>> pools_;  ///< by network id
    std::map<std::string, int> bridges_;  ///< that we have made: index by network id
    std::string default_network_id_;      ///< of a "bridge" that is to be made anew
    std::uint32_t next_link_ = 0;

    /// Host ends that should go with their namespace; taken away when something else keeps it.
    std::mutex leftover_mutex_;
    std::condition_variable leftover_changed_;
    std::deque<std::pair<std::int64_t, std::string>> leftovers_;  ///< when (monotonic ns), name
    bool stopping_ = false;
    std::thread janitor_;  ///< last: uses the others
};

}  // namespace hull::network
