#include "base/error.hh"
#include "base/log.hh"
#include "network/networks.hh"

#include <algorithm>

namespace hull::network {

/// The port cannot be translated by the kernel: it has no route_localnet for ::1, and no way from
/// one family to the other. Or it shall not be.
bool Networks::is_relayed(const PublishedPort& port, bool has_v4, bool has_v6) const {
    if (!relay_.is_there() || port.host_port == 0) return false;
    const IpAddress& ip = port.host_ip;
    if (ip.is_v6()) return !has_v6 || ip.is_unspecified() || ip.is_loopback() || through_input();
    return !has_v4 || (through_input() && !ip.is_loopback());
}

void Networks::check_ports(const std::vector<PortRequest>& ports) {
    for (const PortRequest& port : ports) {
        protocol_number(port.protocol);
        if (!port.host_ip.empty() && !IpAddress::parse(port.host_ip))
            throw Error(ErrorKind::invalid_argument, "invalid IP address: {}", port.host_ip);
    }
}

std::vector<Forward> Networks::forwards_of(const Sandbox& sandbox) {
    std::vector<Forward> forwards;
    const Endpoint* by_family[] = {gateway_endpoint(sandbox, false),
                                   gateway_endpoint(sandbox, true)};
    for (const PublishedPort& port : sandbox.ports) {
        const bool is_v6 = port.host_ip.is_v6();
        const Endpoint* endpoint = by_family[is_v6];
        if (!endpoint) continue;
        const Subnet& target = is_v6 ? endpoint->ipv6 : endpoint->ipv4;
        if (!target.empty())
            forwards.push_back({protocol_number(port.protocol), port.host_ip, port.host_port,
                                target.base, port.container_port});
    }
    return forwards;
}

std::vector<RelayedPort> Networks::relays_of(const Sandbox& sandbox) {
    std::vector<RelayedPort> relays;
    const Endpoint* v4 = gateway_endpoint(sandbox, false);
    const Endpoint* v6 = gateway_endpoint(sandbox, true);
    for (const PublishedPort& port : sandbox.ports) {
        if ((!v4 && !v6) || !is_relayed(port, v4 != nullptr, v6 != nullptr)) continue;
        const bool to_v6 = port.host_ip.is_v6() ? v6 != nullptr : v4 == nullptr;
        const Subnet& target = to_v6 ? v6->ipv6 : v4->ipv4;
        auto socket = ports_.find_socket(port);
        // One socket may serve both families: the IPv6 port has it then.
        const bool is_twin = socket && !port.host_ip.is_v6() && port.host_ip.is_unspecified() &&
                             ports_.find_socket({port.protocol, port.container_port,
                                                 IpAddress::get("::"), port.host_port}) == socket;
        if (socket && !target.empty() && !is_twin)
            relays.push_back({port_key(port), protocol_number(port.protocol), target.base,
                              port.container_port, std::move(socket)});
    }
    return relays;
}

void Networks::open_ports(const Sandbox& sandbox) {
    if (sandbox.ports.empty()) return;
    firewall_.add_forwards(forwards_of(sandbox));
    relay_.add(relays_of(sandbox));
}

void Networks::close_ports(const Sandbox& sandbox) {
    if (sandbox.ports.empty()) return;
    std::vector<std::string> keys;
    for (const RelayedPort& port : relays_of(sandbox)) keys.push_back(port.key);
    relay_.remove(keys);
    firewall_.remove_forwards(forwards_of(sandbox));
}

/// The same ports, when another of the container's networks is the one they lead to.
void Networks::move_ports(const Sandbox& before, const Sandbox& after) {
    const std::vector<Forward> old_forwards = forwards_of(before), forwards = forwards_of(after);
    if (old_forwards != forwards) {
        firewall_.remove_forwards(old_forwards);
        firewall_.add_forwards(forwards);
    }
    std::vector<std::string> gone;
    const std::vector<RelayedPort> relays = relays_of(after);
    for (const RelayedPort& old : relays_of(before))
        if (std::none_of(relays.begin(), relays.end(),
                         [&](const RelayedPort& other) { return other.key == old.key; }))
            gone.push_back(old.key);
    relay_.remove(gone);
    relay_.add(relays);
}

/// Whether what is published there is reached at the container's own address of this family.
bool Networks::is_direct(const Endpoint* endpoint, bool is_v6) {
    if (!endpoint) return false;
    const NetworkPointer network = find_network(endpoint->config.network_id);
    return network && is_routed(*network, is_v6);
}

/// Takes out of `requests` what routed networks answer themselves: no port of the host is needed.
std::vector<PublishedPort> Networks::take_direct_ports(std::vector<PortRequest>& requests,
                                                       const Endpoint* v4, const Endpoint* v6) {
    const bool direct4 = is_direct(v4, false), direct6 = is_direct(v6, true);
    std::vector<PublishedPort> ports;
    if (!direct4 && !direct6) return ports;
    std::vector<PortRequest> rest;
    for (PortRequest& request : requests) {
        const bool is_any = request.host_ip.empty();
        const bool is_v6 = !is_any && IpAddress::get(request.host_ip).is_v6();
        const auto add = [&](const char* unspecified) {
            ports.push_back(
                {request.protocol, request.container_port, IpAddress::get(unspecified), 0});
        };
        if (direct4 && !is_v6) add("0.0.0.0");
        if (direct6 && (is_any || is_v6)) add("::");
        if (is_any && direct4 && direct6) continue;
        if (!is_any && (is_v6 ? direct6 : direct4)) continue;
        if (is_any && direct4 && !v6) continue;
        if (is_any && direct6 && !v4) continue;
        if (is_any) request.host_ip = direct4 ? "::" : "0.0.0.0";
        rest.push_back(std::move(request));
    }
    requests = std::move(rest);
    return ports;
}

/// Ports of the host for `requests`; none when nothing leads outside: then there is nobody to
/// publish to.
std::vector<PublishedPort> Networks::claim_ports(const Sandbox& sandbox,
                                                 std::vector<PortRequest> requests) {
    const Endpoint* v4 = gateway_endpoint(sandbox, false);
    const Endpoint* v6 = gateway_endpoint(sandbox, true);
    if (requests.empty() || (!v4 && !v6)) return {};
    std::vector<PublishedPort> direct = take_direct_ports(requests, v4, v6);
    if (requests.empty()) return direct;
    const Endpoint& named = v4 ? *v4 : *v6;
    std::string binding = options_.publish_address;
    if (NetworkPointer network = find_network(named.config.network_id))
        if (const std::string own = network->option("com.docker.network.bridge.host_binding_ipv4");
            !own.empty() && own != "0.0.0.0")
            binding = own;
    for (PortRequest& request : requests) {
        if (request.host_ip.empty()) request.host_ip = binding;
        if (relay_.is_there()) continue;
        if (request.host_ip.empty() && !v4) request.host_ip = "::";
        if (request.host_ip.empty()) continue;
        const bool is_v6 = IpAddress::get(request.host_ip).is_v6();
        if (is_v6 ? !v6 : !v4)
            throw Error(ErrorKind::unsupported,
                        "publishing on {} is not supported: container {} has no {} address on a "
                        "network that leads outside",
                        request.host_ip, sandbox.container_name, is_v6 ? "IPv6" : "IPv4");
    }
    std::vector<PublishedPort> claimed = with_context(
        [&] {
        return ports_.claim(sandbox.container_name, requests,
                            host_.has_ipv6() && (v6 || relay_.is_there()),
                            [&](const PublishedPort& port) {
            return is_relayed(port, v4 != nullptr, v6 != nullptr);
        });
        },
        "driver failed programming external connectivity on endpoint {} ({})",
        sandbox.container_name, named.id);
    claimed.insert(claimed.end(), direct.begin(), direct.end());
    return claimed;
}

void Networks::publish_ports(Sandbox& sandbox) {
    sandbox.ports = claim_ports(sandbox, sandbox.wanted_ports);
    open_ports(sandbox);
}

void Networks::withdraw_ports(Sandbox& sandbox) {
    if (sandbox.ports.empty()) return;
    try {
        close_ports(sandbox);
    } catch (const std::exception& error) {
        log::error("withdrawing the ports of container {}: {}", sandbox.container_name,
                   error.what());
    }
    ports_.release(sandbox.ports);
    sandbox.ports.clear();
}

namespace {

bool matches(const PortRequest& rule, const PortRequest& port) {
    return rule.protocol == port.protocol && rule.container_port == port.container_port &&
           (rule.host_ip.empty() || rule.host_ip == port.host_ip) &&
           (rule.host.first == 0 || rule.host.first == port.host.first);
}

bool matches(const PortRequest& rule, const PublishedPort& port) {
    return rule.protocol == port.protocol && rule.container_port == port.container_port &&
           (rule.host_ip.empty() || rule.host_ip == port.host_ip.text()) &&
           (rule.host.first == 0 || rule.host.first == port.host_port);
}

/// Leaves of the ports those of all addresses whose other family is among `gone`. False: none.
bool keep_halves(Sandbox& sandbox, const std::vector<PublishedPort>& gone) {
    std::erase_if(sandbox.ports, [&](const PublishedPort& port) {
        return std::none_of(gone.begin(), gone.end(), [&](const PublishedPort& other) {
            return port.host_port != 0 && port.host_ip.is_unspecified() &&
                   other.host_ip.is_unspecified() &&
                   port.host_ip.is_v6() != other.host_ip.is_v6() &&
                   port.protocol == other.protocol && port.host_port == other.host_port;
        });
    });
    return !sandbox.ports.empty();
}

}  // namespace

/// Takes the ports of a running container that it has had before.
void Networks::hold_ports(const Sandbox& sandbox, std::map<std::string, Fd>& kept_sockets) {
    const bool has_v4 = gateway_endpoint(sandbox, false), has_v6 = gateway_endpoint(sandbox, true);
    std::vector<PublishedPort> ports = sandbox.ports;
    std::erase_if(ports, [](const PublishedPort& port) { return port.host_port == 0; });
    ports_.restore(
        sandbox.container_name, ports,
        [&](const PublishedPort& port) { return is_relayed(port, has_v4, has_v6); }, kept_sockets);
}

SandboxPointer Networks::change_ports(const std::string& container_id,
                                      const std::vector<PortRequest>& added,
                                      const std::vector<PortRequest>& removed) {
    std::shared_lock not_restoring(restore_mutex_);
    std::lock_guard change(change_mutex(container_id));
    const Sandbox before = copy_sandbox(container_id);
    Sandbox next = before, leaving = before;
    leaving.ports.clear();
    for (const PortRequest& rule : removed) {
        const auto is_meant = [&](const auto& port) { return matches(rule, port); };
        std::size_t found = std::erase_if(next.wanted_ports, is_meant);
        for (const PublishedPort& port : next.ports)
            if (is_meant(port)) leaving.ports.push_back(port);
        found += std::erase_if(next.ports, is_meant);
        if (found == 0)
            throw Error(ErrorKind::not_found, "no published port {}/{} of container {}",
                        rule.container_port, rule.protocol, next.container_name);
    }
    check_ports(added);
    Sandbox coming = next;
    coming.ports.clear();
    if (next.active) coming.ports = claim_ports(next, added);
    try {
        open_ports(coming);
        close_ports(leaving);
    } catch (...) {
        ports_.release(coming.ports);
        throw;
    }
    ports_.release(leaving.ports);
    if (Sandbox halves = next; keep_halves(halves, leaving.ports)) {
        // One socket served both families: what stays gets its own.
        close_ports(halves);
        ports_.release(halves.ports);
        std::map<std::string, Fd> none;
        hold_ports(halves, none);
        open_ports(halves);
    }
    if (!coming.ports.empty())
        for (const Endpoint& endpoint : next.endpoints)
            if (auto link = host_.find_link(endpoint.host_link); link && link->master != 0)
                host_.request({linux_::set_hairpin(link->index)});
    next.wanted_ports.insert(next.wanted_ports.end(), added.begin(), added.end());
    next.ports.insert(next.ports.end(), coming.ports.begin(), coming.ports.end());
    publish(std::move(next));
    return find_sandbox(container_id);
}

}  // namespace hull::network
