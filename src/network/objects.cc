#include "base/error.hh"
#include "base/file.hh"
#include "base/log.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "base/time.hh"
#include "network/networks.hh"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cctype>

namespace hull::network {

namespace {

template <typename... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) {
    throw Error(ErrorKind::invalid_argument, text, std::forward<Args>(args)...);
}

bool is_bool(const std::string& value) {
    return value == "true" || value == "false" || value == "1" || value == "0";
}

enum class OptionKind { text, boolean, number };
struct KnownOption {
    std::string_view name;
    OptionKind kind;
};
constexpr KnownOption bridge_options[] = {
    {"com.docker.network.bridge.name", OptionKind::text},
    {"com.docker.network.bridge.enable_icc", OptionKind::boolean},
    {"com.docker.network.bridge.enable_ip_masquerade", OptionKind::boolean},
    {"com.docker.network.bridge.host_binding_ipv4", OptionKind::text},
    {"com.docker.network.bridge.inhibit_ipv4", OptionKind::boolean},
    {"com.docker.network.bridge.default_bridge", OptionKind::boolean},
    {"com.docker.network.bridge.trusted_host_interfaces", OptionKind::text},
    {"com.docker.network.driver.mtu", OptionKind::number},
    {"com.docker.network.container_iface_prefix", OptionKind::text},
};

constexpr std::string_view gateway_mode4 = "com.docker.network.bridge.gateway_mode_ipv4",
                           gateway_mode6 = "com.docker.network.bridge.gateway_mode_ipv6";

void check_gateway_mode(const std::string& name, const std::string& value) {
    if (value == "nat" || value == "nat-unprotected" || value == "routed" || value == "isolated")
        return;
    refuse(
        "invalid value \"{}\" for network option {}: use nat, nat-unprotected, routed or isolated",
        value, name);
}

/// Refused rather than ignored: a network that is more open than was asked for is no network.
void check_bridge_option(const std::string& name, const std::string& value) {
    if (!name.starts_with("com.docker.network.")) return;  // a label in all but name
    const auto known = std::find_if(std::begin(bridge_options), std::end(bridge_options),
                                    [&](const KnownOption& option) { return option.name == name; });
    if (known == std::end(bridge_options)) {
        if (name == gateway_mode4 || name == gateway_mode6) return check_gateway_mode(name, value);
        throw Error(ErrorKind::unsupported, "network option {}={} is not supported", name, value);
    }
    if (known->kind == OptionKind::boolean && !is_bool(value))
        refuse("invalid value \"{}\" for network option {}: use true or false", value, name);
    if (known->kind == OptionKind::number &&
        (value.empty() || value.size() > 5 ||
         !std::all_of(value.begin(), value.end(), [](unsigned char c) { return std::isdigit(c); })))
        refuse("invalid value \"{}\" for network option {}: use a number", value, name);
    if (name == "com.docker.network.bridge.name" &&
        (value.empty() || value.size() > linux_::max_link_name ||
         value.find_first_of("/ \t:") != std::string::npos))
        refuse("invalid interface name \"{}\": at most {} characters without slash, colon or space",
               value, linux_::max_link_name);
    if (name == "com.docker.network.bridge.host_binding_ipv4" && !IpAddress::parse(value))
        refuse("invalid value \"{}\" for network option {}: use an IP address", value, name);
}

void check_name(const std::string& name) {
    const bool good = !name.empty() && std::isalnum(static_cast<unsigned char>(name.front())) &&
                      std::all_of(name.begin(), name.end(), [](unsigned char c) {
                          return std::isalnum(c) || c == '_' || c == '.' || c == '-';
                      });
    if (!good)
        refuse("invalid network name: \"{}\", only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed",
               name);
}

AddressConfig parse_addresses(const AddressRequest& request) {
    AddressConfig config;
    auto subnet = Subnet::parse_interface(request.subnet);
    if (!subnet)
        refuse("invalid network config: invalid subnet {}: invalid CIDR address", request.subnet);
    if (subnet->base != subnet->first())
        refuse("invalid network config: invalid subnet {}: it should be {}/{}", request.subnet,
               subnet->first().text(), subnet->prefix);
    config.subnet = *subnet;
    auto parse_within = [&](const std::string& text, std::string_view what) {
        auto address = IpAddress::parse(text);
        if (!address) refuse("invalid network config: invalid {} {}", what, text);
        if (!config.subnet.contains(*address))
            refuse(
                "invalid network config: invalid {} {}: parent subnet {} doesn't contain this "
                "address",
                what, text, request.subnet);
        return *address;
    };
    if (!request.range.empty()) {
        config.range = Subnet::parse(request.range);
        if (!config.range)
            refuse("invalid network config: invalid ip-range {}: invalid CIDR address",
                   request.range);
        if (config.range->prefix < config.subnet.prefix ||
            !config.subnet.contains(config.range->base))
            refuse(
                "invalid network config: invalid ip-range {}: parent subnet {} doesn't contain "
                "ip-range",
                request.range, request.subnet);
    }
    if (!request.gateway.empty()) config.gateway = parse_within(request.gateway, "gateway");
    for (const auto& [name, address] : request.auxiliary)
        config.auxiliary[name] = parse_within(address, "auxiliary address");
    return config;
}

/// One daemon of the machine at a time.
class MachineLock {
public:
    explicit MachineLock(const Path& path) : file_(sys::open(path, O_RDWR | O_CREAT, 0600)) {
        while (::flock(file_.get(), LOCK_EX) != 0)
            if (errno != EINTR) throw_errno(errno, "locking {}", path);
    }

private:
    Fd file_;
};

}  // namespace

std::vector<Subnet> Networks::subnets_in_use(const std::string& except_id) {
    std::lock_guard lock(mutex_);
    std::vector<Subnet> subnets;
    for (const auto& [id, network] : networks_)
        for (const AddressConfig& config : network->addresses)
            if (id != except_id && !network->config_only) subnets.push_back(config.subnet);
    return subnets;
}

std::uint32_t Networks::mtu_of(const Network& network) {
    if (const std::string mtu = network.option("com.docker.network.driver.mtu"); !mtu.empty())
        return static_cast<std::uint32_t>(std::stoul(mtu));
    return options_.mtu ? options_.mtu : host_.uplink_mtu();
}

void Networks::check_request(const NetworkRequest& request) {
    check_name(request.name);
    const std::string& driver = request.driver;
    if (driver == "host" || driver == "null")
        throw Error(ErrorKind::forbidden, "only one instance of \"{}\" network is allowed", driver);
    if (driver == "overlay")
        throw Error(ErrorKind::unsupported,
                    "overlay networks are not supported: they need a swarm");
    if (driver != "bridge" && driver != "macvlan" && driver != "ipvlan")
        throw Error(ErrorKind::not_found, "plugin \"{}\" not found", driver);
    if (request.ipam_driver != "default" && !request.ipam_driver.empty())
        throw Error(ErrorKind::not_found, "plugin \"{}\" not found", request.ipam_driver);
    if (!request.ipv4 && !request.ipv6) refuse("IPv4 or IPv6 must be enabled");
    for (const auto& [name, value] : request.options) {
        if (driver == "bridge")
            check_bridge_option(name, value);
        else if (name != "parent" && name != "macvlan_mode" && name != "ipvlan_mode" &&
                 name != "com.docker.network.driver.mtu")
            throw Error(ErrorKind::unsupported, "network option {} of {} is not supported", name,
                        driver);
    }
    for (const std::string_view mode : {gateway_mode4, gateway_mode6})
        if (auto found = request.options.find(std::string(mode));
            found != request.options.end() && found->second == "isolated" && !request.internal)
            refuse("gateway mode 'isolated' can only be used for an internal network");
    if (request.name == "bridge" || request.name == "host" || request.name == "none" ||
        request.name == "default")
        throw Error(ErrorKind::forbidden, "operation is not permitted on predefined {} network ",
                    request.name);
    std::lock_guard lock(mutex_);
    for (const auto& [id, network] : networks_)
        if (network->name == request.name)
            throw Error(ErrorKind::conflict, "network with name {} already exists", request.name);
}

void Networks::choose_addresses(Network& network, const NetworkRequest& request) {
    bool has_v4 = false, has_v6 = false;
    const std::vector<Subnet> own = subnets_in_use(network.id);
    for (const AddressRequest& wanted : request.addresses) {
        if (wanted.subnet.empty()) {
            if (!wanted.gateway.empty() || !wanted.range.empty())
                refuse("invalid network config: a gateway or an ip-range needs a subnet");
            continue;
        }
        AddressConfig config = parse_addresses(wanted);
        for (const Subnet& other : own)
            if (other.overlaps(config.subnet) && other.base.bits() == config.subnet.base.bits())
                throw Error(ErrorKind::forbidden,
                            "invalid pool request: Pool overlaps with other one on this address "
                            "space: {} and {}",
                            config.subnet.text(), other.text());
        (config.subnet.base.is_v6() ? has_v6 : has_v4) = true;
        network.addresses.push_back(std::move(config));
    }
    network.ipv6 = network.ipv6 || has_v6;
    std::vector<Subnet> taken = own;
    for (const Subnet& subnet : host_.taken_subnets()) taken.push_back(subnet);
    std::vector<SubnetSource> sources = options_.sources;
    sources.push_back(unique_local_source(options_.table + network.id));
    for (const bool is_v6 : {false, true}) {
        if (is_v6 ? !network.ipv6 || has_v6 : !network.ipv4 || has_v4) continue;
        AddressConfig config;
        config.subnet = choose_subnet(sources, is_v6, taken);
        config.is_chosen = true;
        network.addresses.push_back(std::move(config));
    }
    for (AddressConfig& config : network.addresses)
        if (config.gateway.empty() && network.driver == "bridge")
            config.gateway = config.subnet.first().plus(1);
}

bool Networks::is_routed(const Network& network, bool is_v6) {
    return network.option(std::string(is_v6 ? gateway_mode6 : gateway_mode4)) == "routed";
}

BridgeRules Networks::rules_of(const Network& network) const {
    BridgeRules rules;
    rules.bridge = network.interface;
    for (const AddressConfig& config : network.addresses) rules.subnets.push_back(config.subnet);
    rules.internal = network.internal;
    rules.talks = network.flag("com.docker.network.bridge.enable_icc", true);
    rules.is_open4 = network.option(std::string(gateway_mode4)) == "nat-unprotected";
    rules.is_open6 = network.option(std::string(gateway_mode6)) == "nat-unprotected";
    rules.is_routed4 = is_routed(network, false);
    rules.is_routed6 = is_routed(network, true);
    // Docker separates them by colons.
    for (const std::string& interface :
         split(network.option("com.docker.network.bridge.trusted_host_interfaces"), ':'))
        if (!interface.empty()) rules.trusted.push_back(interface);
    rules.masquerade = network.flag("com.docker.network.bridge.enable_ip_masquerade", true);
    return rules;
}

int Networks::ensure_bridge(const Network& network) {
    {
        std::lock_guard lock(mutex_);
        if (auto found = bridges_.find(network.id); found != bridges_.end()) return found->second;
    }
    std::lock_guard setup(setup_mutex_);
    firewall_.set_bridge(rules_of(network));  // closed before it exists
    try {
        const int index = with_context([&] { return host_.make_bridge(network, mtu_of(network)); },
                                       "network {}", network.name);
        std::lock_guard lock(mutex_);
        return bridges_[network.id] = index;
    } catch (...) {
        firewall_.remove_bridge(network.interface);
        throw;
    }
}

void Networks::open_pools(const Network& network) {
    auto& pools = pools_[network.id];
    pools.clear();
    for (const AddressConfig& config : network.addresses) {
        AddressPool& pool = pools.emplace_back(config.subnet, config.range);
        if (!config.gateway.empty()) pool.reserve(config.gateway);
        for (const auto& [name, address] : config.auxiliary)
            if (!pool.has(address)) pool.reserve(address);
    }
}

/// A request that names a configuration network asks for what that one says.
NetworkRequest Networks::with_configuration(const NetworkRequest& request) {
    if (request.config_from.empty()) return request;
    if (request.config_only)
        refuse("a configuration network cannot depend on another configuration network");
    if (!request.addresses.empty() || !request.options.empty() || !request.labels.empty() ||
        !request.ipam_options.empty() || request.ipv6)
        refuse(
            "user specified configurations are not supported if the network depends on a "
            "configuration network");
    const NetworkPointer source = find_network(request.config_from);
    if (!source || !source->config_only)
        throw Error(ErrorKind::not_found, "configuration network \"{}\" does not exist",
                    request.config_from);
    NetworkRequest whole = request;
    whole.config_from = source->name;
    whole.ipv4 = source->ipv4;
    whole.ipv6 = source->ipv6;
    whole.options = source->options;
    whole.labels = source->labels;
    whole.ipam_options = source->ipam_options;
    for (const AddressConfig& config : source->addresses) {
        AddressRequest& wanted = whole.addresses.emplace_back();
        wanted.subnet = config.subnet.text();
        if (config.range) wanted.range = config.range->text();
        wanted.gateway = config.gateway.text();
        for (const auto& [name, address] : config.auxiliary)
            wanted.auxiliary[name] = address.text();
    }
    return whole;
}

/// Settings only: nothing of it is on the host.
NetworkPointer Networks::create_configuration(Network network, const NetworkRequest& request) {
    if (request.internal || request.attachable)
        refuse("configuration network can not be {}", request.internal ? "internal" : "attachable");
    network.driver = "null";
    network.config_only = true;
    for (const AddressRequest& wanted : request.addresses)
        if (!wanted.subnet.empty()) network.addresses.push_back(parse_addresses(wanted));
    store(network);
    std::lock_guard lock(mutex_);
    return networks_[network.id] = std::make_shared<const Network>(network);
}

NetworkPointer Networks::create_network(const NetworkRequest& wanted) {
    check_request(wanted);
    const NetworkRequest request = with_configuration(wanted);
    if (!request.config_from.empty()) check_request(request);
    Network network;
    network.id = random_hex(32);
    network.name = request.name;
    network.driver = request.driver;
    network.created_ns = now_ns();
    network.internal = request.internal;
    network.attachable = request.attachable;
    network.ipv4 = request.ipv4;
    network.ipv6 = request.ipv6;
    network.options = request.options;
    network.labels = request.labels;
    network.ipam_options = request.ipam_options;
    network.config_from = request.config_from;
    if (request.config_only) return create_configuration(std::move(network), request);
    if (network.ipv6 && !host_.has_ipv6())
        throw Error(ErrorKind::unavailable, "this host has no IPv6");
    network.interface = network.driver == "bridge"
                            ? network.option("com.docker.network.bridge.name")
                            : network.option("parent");
    if (network.interface.empty() && network.driver == "bridge")
        network.interface = "br-" + network.id.substr(0, 12);
    if (network.driver != "bridge" && !host_.find_link(network.interface))
        refuse("a {} network needs -o parent=INTERFACE that this host has, not \"{}\"",
               network.driver, network.interface);

    const MachineLock machine(options_.lock_file);
    choose_addresses(network, request);
    {
        std::lock_guard lock(mutex_);
        for (const auto& [id, other] : networks_) {
            if (other->name == network.name)
                throw Error(ErrorKind::conflict, "network with name {} already exists",
                            network.name);
            if (network.driver == "bridge" && other->interface == network.interface)
                throw Error(ErrorKind::conflict,
                            "conflicts with network {} ({}): networks have same bridge name",
                            other->id, other->name);
        }
        open_pools(network);
        networks_[network.id] = std::make_shared<const Network>(network);
    }
    try {
        store(network);  // first: a kill in between leaves no bridge that nobody knows
        if (network.driver == "bridge") ensure_bridge(network);
    } catch (...) {
        {
            std::lock_guard lock(mutex_);
            networks_.erase(network.id);
            pools_.erase(network.id);
        }
        database_.execute("DELETE FROM networks WHERE id = ?", network.id);
        throw;
    }
    return get_network(network.id);
}

/// The network "bridge" gets its subnet when somebody first looks, and its bridge with the first
/// container: a daemon that runs none changes nothing on the host.
void Networks::add_default_network() {
    if (options_.bridge == "none") return;
    const MachineLock machine(options_.lock_file);
    if (find_network("bridge")) return;
    Network network;
    network.id = default_network_id_.empty() ? random_hex(32) : default_network_id_;
    network.name = "bridge";
    network.driver = "bridge";
    network.recipe = default_network_recipe();
    network.ipv6 = options_.ipv6;
    network.created_ns = now_ns();
    network.interface = options_.bridge;
    network.options = {
        {"com.docker.network.bridge.default_bridge", "true"},
        {"com.docker.network.bridge.enable_icc", options_.containers_talk ? "true" : "false"},
        {"com.docker.network.bridge.enable_ip_masquerade", options_.masquerade ? "true" : "false"},
        {"com.docker.network.bridge.host_binding_ipv4",
         options_.publish_address.empty() ? "0.0.0.0" : options_.publish_address},
        {"com.docker.network.bridge.name", options_.bridge},
        {"com.docker.network.driver.mtu", std::to_string(mtu_of(network))},
    };
    NetworkRequest request;
    if (!options_.bridge_address.empty()) {
        auto address = Subnet::parse_interface(options_.bridge_address);
        if (!address)
            refuse("invalid bridge address {}: use ADDRESS/BITS", options_.bridge_address);
        request.addresses.push_back(
            {Subnet{address->first(), address->prefix}.text(), "", address->base.text(), {}});
    }
    // Without a subnet of its own the range is the subnet, as in dockerd.
    if (!options_.range.empty() && request.addresses.empty())
        request.addresses.push_back({options_.range, "", "", {}});
    else if (!options_.range.empty())
        request.addresses.front().range = options_.range;
    if (!options_.range_v6.empty()) request.addresses.push_back({options_.range_v6, "", "", {}});
    choose_addresses(network, request);
    if (network.ipv6 && !host_.has_ipv6())
        throw Error(ErrorKind::unavailable, "this host has no IPv6");
    store(network);
    std::lock_guard lock(mutex_);
    open_pools(network);
    networks_[network.id] = std::make_shared<const Network>(network);
}

void Networks::remove_network(const std::string& name) {
    const NetworkPointer network = get_network(name);
    if (network->is_predefined())
        throw Error(ErrorKind::forbidden, "{} is a pre-defined network and cannot be removed",
                    network->name);
    std::lock_guard setup(setup_mutex_);
    {
        std::lock_guard lock(mutex_);
        std::string users;
        for (const auto& [id, sandbox] : sandboxes_)
            if (const Endpoint* endpoint = sandbox->find_endpoint(network->id);
                endpoint && sandbox->active)
                users += fmt::format("{}name:\"{}\" id:\"{}\"", users.empty() ? "" : ", ",
                                     sandbox->container_name, endpoint->id.substr(0, 12));
        if (!users.empty())
            throw Error(ErrorKind::forbidden,
                        "error while removing network: network {} has active endpoints ({})",
                        network->name, users);
        for (const auto& [id, other] : networks_)
            if (network->config_only && other->config_from == network->name)
                throw Error(ErrorKind::forbidden, "configuration network \"{}\" is in use",
                            network->name);
        if (networks_.erase(network->id) == 0)
            throw Error(ErrorKind::not_found, "network {} not found", name);
        pools_.erase(network->id);
        bridges_.erase(network->id);
    }
    if (network->driver == "bridge") {
        host_.remove_link(network->interface);
        firewall_.remove_bridge(network->interface);
    }
    // Last: a network without its bridge gets a new one, a bridge without its network stays.
    database_.execute("DELETE FROM networks WHERE id = ?", network->id);
}

std::vector<NetworkPointer> Networks::prune_networks(
    const std::function<bool(const Network&)>& is_wanted) {
    std::vector<NetworkPointer> removed;
    for (const NetworkPointer& network : list_networks()) {
        if (network->is_predefined() || !is_wanted(*network)) continue;
        if (!list_members(network->id, false).empty()) continue;
        try {
            remove_network(network->id);
        } catch (const Error& error) {
            // Somebody has begun to use it, or has removed it.
            if (error.kind() != ErrorKind::forbidden && error.kind() != ErrorKind::not_found) throw;
            continue;
        }
        removed.push_back(network);
    }
    return removed;
}

}  // namespace hull::network
