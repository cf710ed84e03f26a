#include "base/error.hh"
#include "base/file.hh"
#include "base/log.hh"
#include "base/time.hh"
#include "network/endpoint_options.hh"
#include "network/networks.hh"

#include <algorithm>
#include <cerrno>
#include <chrono>

namespace hull::network {

namespace {

template <typename... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) {
    throw Error(ErrorKind::invalid_argument, text, std::forward<Args>(args)...);
}

/// Docker's scheme: 02:42 and the IPv4 address, so that neighbours keep a valid entry when the
/// address comes back. Random without IPv4.
linux_::MacAddress choose_mac(const Subnet& ipv4) {
    linux_::MacAddress mac{0x02, 0x42};
    if (!ipv4.empty()) {
        for (std::size_t i = 0; i < 4; ++i)
            mac[i + 2] = std::to_integer<std::uint8_t>(ipv4.base.bytes()[i]);
        return mac;
    }
    const std::string random = random_hex(4);
    for (std::size_t i = 0; i < 4; ++i)
        mac[i + 2] = static_cast<std::uint8_t>(std::stoi(random.substr(2 * i, 2), nullptr, 16));
    return mac;
}

std::string free_interface(const Sandbox& sandbox, const Network& network,
                           const StringMap& options) {
    const auto is_free = [&](const std::string& name) {
        return std::none_of(sandbox.endpoints.begin(), sandbox.endpoints.end(),
                            [&](const Endpoint& other) { return other.interface == name; });
    };
    if (const std::string wanted = wanted_interface(options); !wanted.empty()) {
        if (!is_free(wanted))
            throw Error(ErrorKind::conflict, "interface {} is there already", wanted);
        return wanted;
    }
    std::string prefix = network.option("com.docker.network.container_iface_prefix");
    if (prefix.empty()) prefix = "eth";
    for (int number = 0;; ++number) {
        std::string name = prefix + std::to_string(number);
        if (is_free(name)) return name;
    }
}

/// An endpoint as it is while its container does not run.
Endpoint rested(const Endpoint& endpoint) {
    Endpoint result;
    result.config = endpoint.config;
    return result;
}

}  // namespace

// ---------------------------------------------------------------- a container's record

void Networks::check_endpoint(const Network& network, const EndpointConfig& config) const {
    if (network.config_only)
        throw Error(ErrorKind::forbidden, "cannot create endpoint on configuration-only network");
    if (!config.mac.empty() && !linux_::parse_mac(config.mac))
        refuse("invalid MAC address: {}", config.mac);
    check_endpoint_options(config.driver_options);
    for (const IpAddress& wanted : {config.ipv4, config.ipv6}) {
        if (wanted.empty()) continue;
        if (network.is_predefined())
            refuse("user specified IP address is supported on user defined networks only");
        bool fits = false, configured = false;
        for (const AddressConfig& addresses : network.addresses) {
            configured = configured || !addresses.is_chosen;
            fits = fits || (!addresses.is_chosen && addresses.subnet.contains(wanted));
        }
        if (!configured)
            refuse(
                "user specified IP address is supported only when connecting to networks with "
                "user configured subnets");
        if (!fits)
            refuse("invalid endpoint settings:\nno configured subnet contains IP address {}",
                   wanted.text());
    }
    if (network.is_predefined() && !config.aliases.empty())
        refuse("network-scoped aliases are only supported for user-defined networks");
}

void Networks::add_sandbox(const SandboxRequest& request) {
    Sandbox sandbox;
    sandbox.container_id = request.container_id;
    sandbox.container_name = request.container_name;
    sandbox.hostnames = request.hostnames;
    sandbox.wanted_ports = request.ports;
    sandbox.legacy_links = request.legacy_links;
    sandbox.name_servers = request.name_servers;
    check_ports(request.ports);
    for (const EndpointConfig& config : request.endpoints) {
        const NetworkPointer network = get_network(config.network_id);
        check_endpoint(*network, config);
        Endpoint& endpoint = sandbox.endpoints.emplace_back();
        endpoint.config = config;
        endpoint.config.network_id = network->id;
    }
    publish(std::move(sandbox));
}

Sandbox Networks::copy_sandbox(const std::string& container_id) {
    if (SandboxPointer sandbox = find_sandbox(container_id)) return *sandbox;
    throw Error(ErrorKind::not_found, "container {} has no networks of its own", container_id);
}

void Networks::rename_sandbox(const std::string& container_id, const std::string& new_name) {
    std::shared_lock not_restoring(restore_mutex_);
    std::lock_guard change(change_mutex(container_id));
    SandboxPointer before = find_sandbox(container_id);
    if (!before) return;
    Sandbox sandbox = *before;
    sandbox.container_name = new_name;
    publish(std::move(sandbox));
}

void Networks::remove_sandbox(const std::string& container_id) {
    std::shared_lock not_restoring(restore_mutex_);
    std::lock_guard change(change_mutex(container_id));
    stop_locked(container_id);
    {
        std::lock_guard lock(mutex_);
        if (sandboxes_.erase(container_id) == 0) return;
    }
    names_.remove(container_id);
    database_.execute("DELETE FROM sandboxes WHERE container_id = ?", container_id);
}

// ---------------------------------------------------------------- addresses

/// Addresses, MAC and names of interfaces; with nothing on the host done yet.
void Networks::assign(Sandbox& sandbox, Endpoint& endpoint, const Network& network) {
    endpoint.interface = free_interface(sandbox, network, endpoint.config.driver_options);
    endpoint.id = random_hex(32);
    std::lock_guard lock(mutex_);
    endpoint.host_link = fmt::format("veth{:07x}", next_link_++ & 0xfffffff);
    auto& pools = pools_[network.id];
    for (std::size_t i = 0; i < network.addresses.size() && i < pools.size(); ++i) {
        const AddressConfig& config = network.addresses[i];
        const bool is_v6 = config.subnet.base.is_v6();
        Subnet& address = is_v6 ? endpoint.ipv6 : endpoint.ipv4;
        const IpAddress& wanted = is_v6 ? endpoint.config.ipv6 : endpoint.config.ipv4;
        if (!address.empty()) continue;
        if (!wanted.empty() && !config.subnet.contains(wanted)) continue;
        if (!wanted.empty()) pools[i].reserve(wanted);
        address = {wanted.empty() ? pools[i].take() : wanted, config.subnet.prefix};
        if (!network.internal) (is_v6 ? endpoint.gateway6 : endpoint.gateway4) = config.gateway;
    }
    endpoint.mac = endpoint.config.mac.empty()
                       ? linux_::format_mac(choose_mac(endpoint.ipv4))
                       : linux_::format_mac(*linux_::parse_mac(endpoint.config.mac));
}

void Networks::release_addresses(const Endpoint& endpoint) {
    std::lock_guard lock(mutex_);
    const auto pools = pools_.find(endpoint.config.network_id);
    if (pools == pools_.end()) return;
    for (AddressPool& pool : pools->second)
        for (const Subnet& address : {endpoint.ipv4, endpoint.ipv6})
            if (!address.empty() && pool.subnet().contains(address.base))
                pool.release(address.base);
}

// ---------------------------------------------------------------- interfaces

void Networks::plug_bridge(const Namespace& target, const Sandbox& sandbox,
                           const Endpoint& endpoint, const Network& network) {
    linux_::VethPlan plan;
    plan.host_name = endpoint.host_link;
    plan.mtu = mtu_of(network);
    plan.peer_name = endpoint.interface;
    plan.peer_mac = *linux_::parse_mac(endpoint.mac);
    plan.peer_namespace = target.fd.get();
    plan.bridge = ensure_bridge(network);
    try {
        host_.request({linux_::make_veth(plan)});
    } catch (const Error& error) {
        if (error.error_number() != EINVAL && error.error_number() != ENODEV) throw;
        {
            // Somebody has removed the bridge: once more with a new one.
            std::lock_guard lock(mutex_);
            bridges_.erase(network.id);
        }
        plan.bridge = ensure_bridge(network);
        host_.request({linux_::make_veth(plan)});
    }
    // With br_netfilter a container's way to its own published port stays within the bridge.
    if (!sandbox.wanted_ports.empty())
        if (auto link = host_.find_link(plan.host_name))
            host_.request({linux_::set_hairpin(link->index)});
}

void Networks::plug(const Namespace& target, const Sandbox& sandbox, Endpoint& endpoint,
                    const Network& network) {
    const auto& link_local = endpoint.config.link_local;
    if (!endpoint.ipv6.empty() || std::any_of(link_local.begin(), link_local.end(),
                                              [](const IpAddress& ip) { return ip.is_v6(); }))
        enable_ipv6(target);
    if (network.driver == "bridge") {
        plug_bridge(target, sandbox, endpoint, network);
    } else {
        auto parent = host_.find_link(network.interface);
        if (!parent)
            throw Error(ErrorKind::unavailable, "network {}: this host has no interface {} now",
                        network.name, network.interface);
        linux_::SubLinkPlan plan;
        plan.kind = network.driver;
        plan.mode = network.option(network.driver + "_mode");
        if (plan.mode.empty()) plan.mode = network.driver == "macvlan" ? "bridge" : "l2";
        plan.parent = parent->index;
        plan.name = endpoint.interface;
        if (network.driver == "macvlan") plan.mac = linux_::parse_mac(endpoint.mac);
        plan.target_namespace = target.fd.get();
        endpoint.host_link.clear();
        try {
            host_.request({linux_::make_sublink(plan)});
        } catch (Error& error) {
            if (error.error_number() == EOPNOTSUPP)
                throw Error(ErrorKind::unavailable, "network {}: this kernel has no {}",
                            network.name, network.driver);
            throw;
        }
    }
    auto link = linux_::find_link(*target.route, endpoint.interface);
    if (!link) throw Error(ErrorKind::internal, "interface {} is gone again", endpoint.interface);
    endpoint.interface_index = link->index;
    std::vector<linux_::NetlinkMessage> messages;
    if (!link->up) messages.push_back(linux_::set_link_up(link->index));
    for (const Subnet& address : {endpoint.ipv4, endpoint.ipv6})
        if (!address.empty()) messages.push_back(linux_::add_address(link->index, address));
    for (const IpAddress& address : link_local)
        messages.push_back(linux_::add_address(link->index, {address, address.is_v6() ? 64 : 16}));
    target.route->request(messages);
    apply_sysctls(target, endpoint.config.driver_options, endpoint.interface);
    // An interface passes packets once the kernel's link watch has run, up to a second later. Who
    // asks for it makes that happen (rtnl_getlink, since 6.8): from the inside to the outside.
    linux_::find_link(*target.route, endpoint.interface);
    if (network.driver != "bridge") return;
    host_.find_link(endpoint.host_link);
    host_.find_link(network.interface);
}

/// The endpoint that the default route leaves by: highest priority, then the network's name.
const Endpoint* Networks::gateway_endpoint(const Sandbox& sandbox, bool is_v6) {
    const Endpoint* best = nullptr;
    std::string best_name;
    std::lock_guard lock(mutex_);
    for (const Endpoint& endpoint : sandbox.endpoints) {
        if ((is_v6 ? endpoint.gateway6 : endpoint.gateway4).empty()) continue;
        auto network = networks_.find(endpoint.config.network_id);
        const std::string name = network == networks_.end() ? "" : network->second->name;
        const auto priority = endpoint.config.gateway_priority;
        if (best && (priority < best->config.gateway_priority ||
                     (priority == best->config.gateway_priority && name >= best_name)))
            continue;
        best = &endpoint;
        best_name = name;
    }
    return best;
}

std::optional<IpAddress> Networks::host_gateway(const Sandbox& sandbox) {
    if (!options_.host_gateway.empty()) return IpAddress::get(options_.host_gateway);
    for (const bool is_v6 : {false, true})
        if (const Endpoint* endpoint = gateway_endpoint(sandbox, is_v6)) {
            // The bridge's own address, wherever else the default route may lead.
            const NetworkPointer network = find_network(endpoint->config.network_id);
            if (network && network->driver == "bridge")
                return is_v6 ? endpoint->gateway6 : endpoint->gateway4;
        }
    return std::nullopt;
}

void Networks::set_default_routes(const Namespace& target, const Sandbox& sandbox) {
    std::vector<linux_::NetlinkMessage> messages;
    for (const bool is_v6 : {false, true})
        if (const Endpoint* endpoint = gateway_endpoint(sandbox, is_v6)) {
            const IpAddress& gateway = is_v6 ? endpoint->gateway6 : endpoint->gateway4;
            messages.push_back(
                linux_::add_route(endpoint->interface_index, linux_::everywhere(gateway), gateway));
        }
    target.route->request(messages);
}

// ---------------------------------------------------------------- start and stop

void Networks::undo_start(Sandbox& sandbox) {
    withdraw_ports(sandbox);
    for (Endpoint& endpoint : sandbox.endpoints) {
        if (endpoint.id.empty()) continue;
        release_addresses(endpoint);
        remove_link_later(endpoint);
        endpoint = rested(endpoint);
    }
    sandbox.active = sandbox.has_name_server = false;
    sandbox.name_server_port = 0;
}

Attached Networks::start_sandbox(const std::string& container_id) {
    std::shared_lock not_restoring(restore_mutex_);
    std::lock_guard change(change_mutex(container_id));
    Sandbox sandbox = copy_sandbox(container_id);
    Namespace target = namespaces_.take();
    try {
        for (Endpoint& endpoint : sandbox.endpoints) {
            const NetworkPointer network = get_network(endpoint.config.network_id);
            assign(sandbox, endpoint, *network);
            plug(target, sandbox, endpoint, *network);
        }
        set_default_routes(target, sandbox);
        sandbox.has_name_server = needs_name_server(sandbox);
        if (sandbox.has_name_server)
            sandbox.name_server_port = names_.attach(container_id, target, 0);
        publish_ports(sandbox);
    } catch (...) {
        undo_start(sandbox);
        names_.remove(container_id);
        throw;
    }
    sandbox.active = true;
    Attached attached{target.path(), nullptr};
    publish(std::move(sandbox));
    attached.sandbox = find_sandbox(container_id);
    std::lock_guard lock(mutex_);
    starting_[container_id] = std::move(target);
    return attached;
}

std::string Networks::start_alone(const std::string& container_id) {
    Namespace target = namespaces_.take();
    enable_ipv6(target);  // of interfaces that somebody else may bring
    std::string path = target.path();
    std::lock_guard lock(mutex_);
    starting_[container_id] = std::move(target);
    return path;
}

void Networks::settle_start(const std::string& container_id) {
    Namespace held;  // closed without the lock
    std::lock_guard lock(mutex_);
    if (auto found = starting_.find(container_id); found != starting_.end()) {
        held = std::move(found->second);
        starting_.erase(found);
    }
}

void Networks::stop_sandbox(const std::string& container_id) {
    std::shared_lock not_restoring(restore_mutex_);
    std::lock_guard change(change_mutex(container_id));
    stop_locked(container_id);
}

void Networks::stop_locked(const std::string& container_id) {
    settle_start(container_id);
    const SandboxPointer before = find_sandbox(container_id);
    if (!before || !before->active) return;
    Sandbox sandbox = *before;
    undo_start(sandbox);
    // Without a row: what does not run any more the next daemon sees for itself.
    show(std::move(sandbox));
}

// ---------------------------------------------------------------- while it runs

SandboxPointer Networks::connect(const std::string& container_id, const EndpointConfig& config,
                                 pid_t pid) {
    std::shared_lock not_restoring(restore_mutex_);
    std::lock_guard change(change_mutex(container_id));
    Sandbox sandbox = copy_sandbox(container_id);
    if (!sandbox.active) pid = 0;  // it has just ended
    const NetworkPointer network = get_network(config.network_id);
    check_endpoint(*network, config);
    if (sandbox.find_endpoint(network->id))
        throw Error(ErrorKind::forbidden, "endpoint with name {} already exists in network {}",
                    sandbox.container_name, network->name);
    const Sandbox before = sandbox;
    Endpoint endpoint;
    endpoint.config = config;
    endpoint.config.network_id = network->id;
    if (pid != 0) {
        const Namespace target = open_namespace(pid);
        try {
            assign(sandbox, endpoint, *network);
            plug(target, sandbox, endpoint, *network);
            sandbox.endpoints.push_back(endpoint);
            set_default_routes(target, sandbox);
            if (sandbox.ports.empty())
                publish_ports(sandbox);
            else
                move_ports(before, sandbox);
            sandbox.has_name_server = needs_name_server(sandbox);
            if (sandbox.has_name_server && !names_.is_attached(container_id))
                sandbox.name_server_port =
                    names_.attach(container_id, target, sandbox.name_server_port);
        } catch (...) {
            release_addresses(endpoint);
            if (!endpoint.host_link.empty()) host_.remove_link(endpoint.host_link);
            throw;
        }
    } else {
        sandbox.endpoints.push_back(std::move(endpoint));
    }
    publish(std::move(sandbox));
    return find_sandbox(container_id);
}

SandboxPointer Networks::disconnect(const std::string& container_id, const std::string& network_id,
                                    pid_t pid) {
    std::shared_lock not_restoring(restore_mutex_);
    std::lock_guard change(change_mutex(container_id));
    Sandbox sandbox = copy_sandbox(container_id);
    if (!sandbox.active) pid = 0;  // it has just ended
    const NetworkPointer network = get_network(network_id);
    const auto found = std::find_if(
        sandbox.endpoints.begin(), sandbox.endpoints.end(),
        [&](const Endpoint& endpoint) { return endpoint.config.network_id == network->id; });
    if (found == sandbox.endpoints.end())
        throw Error(ErrorKind::internal, "container {} is not connected to network {}",
                    container_id, network->name);
    const Endpoint endpoint = *found;
    const Sandbox before = sandbox;
    sandbox.endpoints.erase(found);
    if (pid != 0 && !endpoint.id.empty()) {
        // The ports move to the network that the default route leaves by now.
        close_ports(before);
        const Namespace target = open_namespace(pid);
        if (network->driver == "bridge")
            host_.remove_link(endpoint.host_link);
        else
            target.route->request(linux_::delete_link(endpoint.interface));
        release_addresses(endpoint);
        sandbox.has_name_server = needs_name_server(sandbox);
        set_default_routes(target, sandbox);
        if (gateway_endpoint(sandbox, false) || gateway_endpoint(sandbox, true)) {
            open_ports(sandbox);
        } else {
            ports_.release(sandbox.ports);
            sandbox.ports.clear();
        }
    }
    publish(std::move(sandbox));
    return find_sandbox(container_id);
}

// ---------------------------------------------------------------- leftovers

/// A veth goes with its namespace, which an RCU grace period may delay and a stranger's hold
/// prevents; taking it away ourselves costs 14 ms (LIMITS.md section 1).
void Networks::remove_link_later(const Endpoint& endpoint) {
    constexpr std::int64_t patience_ns = 500'000'000;
    if (endpoint.host_link.empty()) return;
    std::lock_guard lock(leftover_mutex_);
    leftovers_.emplace_back(monotonic_ns() + patience_ns, endpoint.host_link);
    leftover_changed_.notify_all();
}

void Networks::remove_links() {
    std::unique_lock lock(leftover_mutex_);
    for (;;) {
        leftover_changed_.wait(lock, [this] { return stopping_ || !leftovers_.empty(); });
        if (leftovers_.empty()) return;
        const auto [due_ns, name] = leftovers_.front();
        const auto rest = std::chrono::nanoseconds(due_ns - monotonic_ns());
        if (!stopping_ && rest.count() > 0) {
            leftover_changed_.wait_for(lock, rest, [this] { return stopping_; });
            continue;
        }
        leftovers_.pop_front();
        lock.unlock();
        try {
            host_.remove_link(name);
        } catch (const std::exception& error) {
            log::warning("removing interface {}: {}", name, error.what());
        }
        lock.lock();
    }
}

}  // namespace hull::network
