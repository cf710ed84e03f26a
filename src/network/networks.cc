#include "network/networks.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/log.hh"
#include "base/time.hh"

#include <algorithm>

namespace hull::network {

namespace {

constexpr std::size_t namespaces_ahead = 3;

constexpr db::Migration migrations[] = {
    {1,
     "CREATE TABLE networks (id TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;"
     "CREATE TABLE sandboxes (container_id TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;",
     "DROP TABLE networks; DROP TABLE sandboxes;"},
};

Options with_defaults(Options options) {
    if (options.sources.empty()) options.sources = default_subnet_sources();
    return options;
}

}  // namespace

Networks::Networks(Options options, db::Database& database)
    : options_(with_defaults(std::move(options))),
      database_(database),
      host_(options_.forwarding),
      firewall_(options_.table, options_.publish_through_input),
      relay_(options_.relay),
      namespaces_(namespaces_ahead),
      names_(options_.names) {
    database_.migrate("network", migrations);
    load();
    next_link_ = static_cast<std::uint32_t>(std::stoul(random_hex(3), nullptr, 16));
    janitor_ = std::thread([this] { remove_links(); });
}

Networks::~Networks() {
    {
        std::lock_guard lock(leftover_mutex_);
        stopping_ = true;
    }
    leftover_changed_.notify_all();
    janitor_.join();
}

void Networks::load() {
    for (auto& [id, text] :
         database_.query<std::string, std::string>("SELECT id, record FROM networks")) {
        try {
            networks_[id] = std::make_shared<const Network>(parse_network(json::parse(text)));
            open_pools(*networks_[id]);
        } catch (const Error& error) {
            log::error("network {} cannot be loaded and is left alone: {}", id, error.message());
        }
    }
    for (auto& [id, text] :
         database_.query<std::string, std::string>("SELECT container_id, record FROM sandboxes")) {
        try {
            sandboxes_[id] = std::make_shared<const Sandbox>(parse_sandbox(json::parse(text)));
        } catch (const Error& error) {
            log::error("the networks of container {} cannot be loaded: {}", id, error.message());
        }
    }
    load_default_network();
    for (const char* name : {"host", "none"}) {
        if (find_network(name)) continue;
        Network network;
        network.id = random_hex(32);
        network.name = name;
        network.driver = network.name == "none" ? "null" : "host";
        network.created_ns = now_ns();
        store(network);
        networks_[network.id] = std::make_shared<const Network>(network);
    }
}

/// The network "bridge" is made from the daemon's options: when they have changed it is made anew,
/// unless containers are on it.
void Networks::load_default_network() {
    for (auto found = networks_.begin(); found != networks_.end(); ++found) {
        const NetworkPointer network = found->second;
        if (network->name != "bridge" || network->recipe == default_network_recipe()) continue;
        const auto is_user = [&](const auto& item) {
            return item.second->active && item.second->find_endpoint(network->id);
        };
        if (std::any_of(sandboxes_.begin(), sandboxes_.end(), is_user)) {
            log::warning("network bridge keeps its old settings: containers run on it");
            return;
        }
        // Stopped containers know it by its id.
        default_network_id_ = network->id;
        pools_.erase(found->first);
        networks_.erase(found);
        return;
    }
}

std::string Networks::default_network_recipe() const {
    return json::dump(json::Array{options_.bridge, options_.bridge_address, options_.mtu,
                                  options_.publish_address, options_.containers_talk,
                                  options_.masquerade, options_.ipv6, options_.range,
                                  options_.range_v6});
}

/// A create that was killed between its two rows, or a removal.
void Networks::forget_unknown(const std::function<bool(const std::string&)>& is_known) {
    std::vector<std::string> strangers;
    {
        std::lock_guard lock(mutex_);
        for (const auto& [id, sandbox] : sandboxes_)
            if (!is_known(id)) strangers.push_back(id);
        for (const std::string& id : strangers) sandboxes_.erase(id);
    }
    for (const std::string& id : strangers)
        database_.execute("DELETE FROM sandboxes WHERE container_id = ?", id);
}

void Networks::store(const Network& network) {
    database_.execute("INSERT OR REPLACE INTO networks (id, record) VALUES (?, ?)", network.id,
                      json::dump(to_json(network)));
}

void Networks::store(const Sandbox& sandbox) {
    database_.execute("INSERT OR REPLACE INTO sandboxes (container_id, record) VALUES (?, ?)",
                      sandbox.container_id, json::dump(to_json(sandbox)));
}

void Networks::publish(Sandbox sandbox) {
    store(sandbox);
    show(std::move(sandbox));
}

void Networks::show(Sandbox sandbox) {
    const auto next = std::make_shared<const Sandbox>(std::move(sandbox));
    {
        std::lock_guard lock(mutex_);
        sandboxes_[next->container_id] = next;
    }
    tell_names(*next);
}

/// What others call the container in its networks, and whom it asks for all else.
void Networks::tell_names(const Sandbox& sandbox) {
    if (!sandbox.active || !sandbox.has_name_server) return names_.remove(sandbox.container_id);
    names_.set(make_record(sandbox));
}

void Networks::withdraw_names(const std::string& container_id) {
    const SandboxPointer sandbox = find_sandbox(container_id);
    if (!sandbox || !sandbox->active || !sandbox->has_name_server) return;
    names::Record record = make_record(*sandbox);
    for (names::Membership& membership : record.networks) membership.names.clear();
    names_.set(record);
}

names::Record Networks::make_record(const Sandbox& sandbox) {
    names::Record record;
    record.container_id = sandbox.container_id;
    record.forwards = false;
    for (const Endpoint& endpoint : sandbox.endpoints) {
        const NetworkPointer network = find_network(endpoint.config.network_id);
        if (!network) continue;
        record.forwards = record.forwards || !network->internal;
        if (network->is_predefined()) continue;  // nobody has names there
        names::Membership& membership = record.networks.emplace_back();
        membership.network_id = network->id;
        membership.network_name = network->name;
        membership.names = names_of(sandbox, endpoint);
        membership.names.push_back(sandbox.container_id);
        membership.ipv4 = endpoint.ipv4.base;
        membership.ipv6 = endpoint.ipv6.base;
        for (const std::string& link : endpoint.config.links)
            if (const std::size_t colon = link.find(':'); colon != std::string::npos)
                membership.links[link.substr(colon + 1)] = link.substr(0, colon);
    }
    const auto& servers =
        sandbox.name_servers.empty() ? options_.name_servers : sandbox.name_servers;
    for (const std::string& server : servers)
        if (const auto address = IpAddress::parse(server)) record.servers.push_back(*address);
    return record;
}

NetworkPointer Networks::find_network(const std::string& name) {
    std::lock_guard lock(mutex_);
    if (auto found = networks_.find(name); found != networks_.end()) return found->second;
    NetworkPointer by_prefix;
    bool is_ambiguous = false;
    for (const auto& [id, network] : networks_) {
        if (network->name == name) return network;
        if (name.empty() || !id.starts_with(name)) continue;
        is_ambiguous = by_prefix != nullptr;
        by_prefix = network;
    }
    if (is_ambiguous)
        throw Error(ErrorKind::invalid_argument,
                    "network {} is ambiguous ({} matches found based on ID prefix)", name, 2);
    return by_prefix;
}

NetworkPointer Networks::get_network(const std::string& name) {
    if (NetworkPointer network = find_network(name)) return network;
    if (name == "bridge") {
        add_default_network();
        if (NetworkPointer network = find_network(name)) return network;
    }
    throw Error(ErrorKind::not_found, "network {} not found", name);
}

std::vector<NetworkPointer> Networks::list_networks() {
    if (options_.bridge != "none") get_network("bridge");
    std::lock_guard lock(mutex_);
    std::vector<NetworkPointer> all;
    for (const auto& [id, network] : networks_) all.push_back(network);
    std::sort(all.begin(), all.end(),
              [](const NetworkPointer& a, const NetworkPointer& b) { return a->name < b->name; });
    return all;
}

std::vector<SandboxPointer> Networks::list_members(const std::string& network_id,
                                                   bool only_active) {
    std::lock_guard lock(mutex_);
    std::vector<SandboxPointer> members;
    for (const auto& [id, sandbox] : sandboxes_)
        if (sandbox->find_endpoint(network_id) && (sandbox->active || !only_active))
            members.push_back(sandbox);
    return members;
}

SandboxPointer Networks::find_sandbox(const std::string& container_id) {
    std::lock_guard lock(mutex_);
    auto found = sandboxes_.find(container_id);
    return found == sandboxes_.end() ? nullptr : found->second;
}

bool Networks::uses_network_names(const Sandbox& sandbox) {
    std::lock_guard lock(mutex_);
    for (const Endpoint& endpoint : sandbox.endpoints) {
        auto network = networks_.find(endpoint.config.network_id);
        if (network != networks_.end() && !network->second->is_predefined()) return true;
    }
    return false;
}

/// Where names are known, and where the host's resolver listens at the loopback, which is another
/// one in the container.
bool Networks::needs_name_server(const Sandbox& sandbox) {
    if (!names_.is_there() || sandbox.endpoints.empty()) return false;
    if (uses_network_names(sandbox)) return true;
    return sandbox.name_servers.empty() && options_.name_servers.empty() && names_.host_is_local();
}

// ---------------------------------------------------------------- a daemon comes back

void Networks::restore_sandbox(const Sandbox& sandbox, const std::map<std::string, pid_t>& running,
                               std::vector<Forward>& forwards,
                               std::map<std::string, Fd>& kept_sockets) {
    if (!sandbox.active) return;
    if (!running.contains(sandbox.container_id)) {
        Sandbox next = sandbox;
        next.active = next.has_name_server = false;
        next.name_server_port = 0;
        next.ports.clear();
        for (Endpoint& endpoint : next.endpoints) {
            if (!endpoint.host_link.empty()) host_.remove_link(endpoint.host_link);
            endpoint = Endpoint{endpoint.config, "", "", 0, "", "", {}, {}, {}, {}};
        }
        publish(std::move(next));
        return;
    }
    {
        std::lock_guard lock(mutex_);
        for (const Endpoint& endpoint : sandbox.endpoints)
            for (AddressPool& pool : pools_[endpoint.config.network_id])
                for (const Subnet& address : {endpoint.ipv4, endpoint.ipv6})
                    if (!address.empty() && pool.subnet().contains(address.base) &&
                        !pool.has(address.base))
                        pool.reserve(address.base);
    }
    if (sandbox.has_name_server && names_.is_there()) {
        tell_names(sandbox);
        Sandbox next = sandbox;
        next.name_server_port =
            names_.attach(sandbox.container_id, open_namespace(running.at(sandbox.container_id)),
                          sandbox.name_server_port);
        if (next.name_server_port != sandbox.name_server_port) publish(std::move(next));
    }
    hold_ports(sandbox, kept_sockets);
    relay_.add(relays_of(sandbox));
    std::vector<Forward> more = forwards_of(sandbox);
    forwards.insert(forwards.end(), more.begin(), more.end());
}

void Networks::remove_stale_links() {
    std::set<std::string> known;
    std::vector<std::string> bridges;
    {
        std::lock_guard lock(mutex_);
        for (const auto& [id, sandbox] : sandboxes_)
            for (const Endpoint& endpoint : sandbox->endpoints) known.insert(endpoint.host_link);
        for (const auto& [id, network] : networks_)
            if (network->driver == "bridge" && !network->interface.empty())
                bridges.push_back(network->interface);
    }
    for (const std::string& bridge : bridges)
        for (const linux_::Link& port : host_.list_ports(bridge))
            if (port.kind == "veth" && !known.contains(port.name)) host_.remove_link(port.name);
}

void Networks::restore(const std::map<std::string, pid_t>& running,
                       const std::function<bool(const std::string&)>& is_known) {
    std::unique_lock restoring(restore_mutex_);
    forget_unknown(is_known);
    std::vector<SandboxPointer> sandboxes;
    {
        std::lock_guard lock(mutex_);
        for (const auto& [id, sandbox] : sandboxes_) sandboxes.push_back(sandbox);
    }
    std::vector<Forward> forwards;
    std::map<std::string, Fd> kept_sockets = relay_.take_over();
    for (const SandboxPointer& sandbox : sandboxes) {
        try {
            restore_sandbox(*sandbox, running, forwards, kept_sockets);
        } catch (const std::exception& error) {
            log::error("networks of container {}: {}", sandbox->container_id, error.what());
        }
    }
    kept_sockets.clear();
    relay_.remove_strangers();
    names_.end_predecessors();  // all that they had is ours
    std::vector<NetworkPointer> networks;
    {
        std::lock_guard lock(mutex_);
        for (const auto& [id, network] : networks_)
            if (network->driver == "bridge") networks.push_back(network);
    }
    std::vector<BridgeRules> bridges;
    for (const NetworkPointer& network : networks) {
        const bool is_used = !list_members(network->id, true).empty();
        // A bridge that nobody is on comes back with its first container.
        if (!is_used && !host_.find_link(network->interface)) continue;
        try {
            std::lock_guard setup(setup_mutex_);
            const int index = host_.make_bridge(*network, mtu_of(*network));
            std::lock_guard lock(mutex_);
            bridges_[network->id] = index;
            bridges.push_back(rules_of(*network));
        } catch (const std::exception& error) {
            log::error("network {}: {}", network->name, error.what());
        }
    }
    try {
        firewall_.reset(std::move(bridges), std::move(forwards));
        remove_stale_links();
    } catch (const std::exception& error) {
        log::error("restoring networks: {}", error.what());
    }
}

void Networks::clean_up() {
    std::lock_guard setup(setup_mutex_);
    std::map<std::string, int> made;
    {
        std::lock_guard lock(mutex_);
        made = bridges_;
    }
    for (const auto& [id, index] : made) {
        if (!list_members(id, true).empty()) continue;
        try {
            const NetworkPointer network = get_network(id);
            host_.remove_link(network->interface);
            firewall_.remove_bridge(network->interface);
        } catch (const std::exception& error) {
            log::warning("removing the bridge of network {}: {}", id, error.what());
        }
        std::lock_guard lock(mutex_);
        bridges_.erase(id);
    }
}

}  // namespace hull::network
