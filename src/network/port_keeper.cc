#include "network/port_keeper.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/log.hh"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <sstream>

namespace hull::network {

namespace {

/// Where the kernel takes ports for clients, which is where Docker takes them for -P.
PortRange dynamic_range() {
    PortRange range{32768, 60999};
    unsigned first = 0, last = 0;
    std::istringstream text(find_file("/proc/sys/net/ipv4/ip_local_port_range").value_or(""));
    if (text >> first >> last && first > 0 && first <= last && last <= 65535)
        range = {static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last)};
    return range;
}

/// What one request publishes at `host_port`: an address of one family, or all of both.
std::vector<PublishedPort> addresses_of(const PortRequest& request, std::uint16_t host_port,
                                        bool ipv6_host) {
    auto published = [&](const IpAddress& host_ip) {
        return PublishedPort{request.protocol, request.container_port, host_ip, host_port};
    };
    if (!request.host_ip.empty()) return {published(IpAddress::get(request.host_ip))};
    std::vector<PublishedPort> ports{published(IpAddress::get("0.0.0.0"))};
    if (ipv6_host) ports.push_back(published(IpAddress::get("::")));
    return ports;
}

std::string spoken(const PublishedPort& port) {
    return fmt::format(fmt::runtime(port.host_ip.is_v6() ? "[{}]:{}" : "{}:{}"),
                       port.host_ip.text(), port.host_port);
}

}  // namespace

std::uint8_t protocol_number(const std::string& name) {
    if (name == "tcp") return IPPROTO_TCP;
    if (name == "udp") return IPPROTO_UDP;
    if (name == "sctp") return IPPROTO_SCTP;
    throw Error(ErrorKind::invalid_argument, "invalid proto: {}", name);
}

std::string port_key(const PublishedPort& port) { return port.protocol + " " + spoken(port); }

Fd PortKeeper::bind(const PublishedPort& port, bool listens, Reach reach) {
    const bool is_both = reach == Reach::both_families;
    const int family = is_both || port.host_ip.is_v6() ? AF_INET6 : AF_INET;
    const bool is_udp = port.protocol == "udp";
    const int protocol = port.protocol == "sctp" ? IPPROTO_SCTP : 0;
    Fd socket(::socket(family, (is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, protocol));
    if (!socket) {
        if (errno == EMFILE || errno == ENFILE)
            throw Error(ErrorKind::unavailable,
                        "no descriptor is left for host port {}/{}: hulld needs one for each, "
                        "raise its limit of open files (LimitNOFILE, ulimit -n)",
                        spoken(port), port.protocol);
        if (port.protocol == "sctp") return {};  // no SCTP on the host: nobody can have the port
        throw_errno(errno, "socket");
    }
    const int on = 1;
    // Connections of the one before that are about to end are nobody's.
    if (listens && !is_udp) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    int result;
    if (family == AF_INET6) {
        const int only_v6 = is_both ? 0 : 1;
        ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof only_v6);
        sockaddr_in6 address{};
        address.sin6_family = AF_INET6;
        address.sin6_port = htons(port.host_port);
        if (!is_both) std::memcpy(&address.sin6_addr, port.host_ip.bytes().data(), 16);
        result = ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    } else {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port.host_port);
        std::memcpy(&address.sin_addr, port.host_ip.bytes().data(), 4);
        result = ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    }
    constexpr int backlog = 4096;
    if (result == 0 && listens && !is_udp) result = ::listen(socket.get(), backlog);
    if (result != 0)
        throw_errno(errno, "failed to bind host port {}/{}", spoken(port), port.protocol);
    return socket;
}

std::vector<PortKeeper::Socket> PortKeeper::open_sockets(const std::vector<PublishedPort>& ports,
                                                         const Predicate& is_relayed,
                                                         std::map<std::string, Fd>& kept,
                                                         bool may_fail) {
    std::vector<Socket> sockets(ports.size());
    const auto open = [&](const PublishedPort& port, bool listens, Reach reach) {
        try {
            return std::make_shared<const Fd>(bind(port, listens, reach));
        } catch (const Error& error) {
            if (!may_fail) throw;
            log::warning("{}", error.message());
            return std::make_shared<const Fd>();
        }
    };
    std::map<std::pair<std::string, std::uint16_t>, std::size_t> all_v4;
    for (std::size_t i = 0; i < ports.size(); ++i)
        if (ports[i].host_ip.is_v4() && ports[i].host_ip.is_unspecified())
            all_v4[{ports[i].protocol, ports[i].host_port}] = i;
    for (std::size_t i = 0; i < ports.size(); ++i) {
        const PublishedPort& port = ports[i];
        if (!port.host_ip.is_v6()) continue;
        const bool listens = is_relayed(port);
        const auto twin = port.host_ip.is_unspecified() && listens
                              ? all_v4.find({port.protocol, port.host_port})
                              : all_v4.end();
        if (auto found = kept.find(port_key(port)); found != kept.end()) {
            sockets[i] = std::make_shared<const Fd>(std::move(found->second));
            kept.erase(found);
        } else if (twin == all_v4.end()) {
            sockets[i] = open(port, listens, Reach::one_family);
        } else {
            sockets[i] = open(ports[twin->second], listens, Reach::both_families);
        }
        if (twin != all_v4.end()) sockets[twin->second] = sockets[i];
    }
    for (std::size_t i = 0; i < ports.size(); ++i) {
        if (sockets[i]) continue;
        if (auto found = kept.find(port_key(ports[i])); found != kept.end()) {
            sockets[i] = std::make_shared<const Fd>(std::move(found->second));
            kept.erase(found);
        } else {
            sockets[i] = open(ports[i], is_relayed(ports[i]), Reach::one_family);
        }
    }
    return sockets;
}

const std::string* PortKeeper::find_owner(const PublishedPort& port) const {
    for (auto at = held_.lower_bound({port.protocol, port.host_port, IpAddress()});
         at != held_.end(); ++at) {
        const auto& [protocol, number, address] = at->first;
        if (protocol != port.protocol || number != port.host_port) break;
        if (address.bits() != port.host_ip.bits()) continue;
        if (address == port.host_ip || address.is_unspecified() || port.host_ip.is_unspecified())
            return &at->second.owner;
    }
    return nullptr;
}

bool PortKeeper::try_claim(const std::string& owner, const std::vector<PublishedPort>& ports,
                           const Predicate& is_relayed, std::string& reason) {
    for (const PublishedPort& port : ports)
        if (const std::string* other = find_owner(port)) {
            reason = fmt::format("Bind for {} failed: port is already allocated by container {}",
                                 spoken(port), *other);
            return false;
        }
    std::map<std::string, Fd> none;
    std::vector<Socket> sockets;
    try {
        sockets = open_sockets(ports, is_relayed, none, false);
    } catch (const Error& error) {
        // Another port would fail like this one.
        if (error.kind() == ErrorKind::unavailable) throw;
        reason = error.message();
        if (error.error_number() == EADDRINUSE)
            reason += " by a program of this host";
        else if (error.error_number() == EADDRNOTAVAIL)
            reason += ": this host has no such address";
        return false;
    }
    for (std::size_t i = 0; i < ports.size(); ++i)
        held_[key_of(ports[i])] = {owner, std::move(sockets[i])};
    return true;
}

std::vector<PublishedPort> PortKeeper::claim_one(const std::string& owner,
                                                 const PortRequest& request, bool ipv6_host,
                                                 const Predicate& is_relayed) {
    PortRange range = request.host;
    const bool any = range.first == 0;
    if (any) range = dynamic_range();
    std::uint32_t port = range.first;
    if (any) port = next_ >= range.first && next_ <= range.last ? next_ : range.first;
    std::string reason;
    for (std::uint32_t tries = 0; tries <= std::uint32_t{range.last} - range.first; ++tries) {
        const auto number = static_cast<std::uint16_t>(port);
        std::vector<PublishedPort> ports = addresses_of(request, number, ipv6_host);
        const bool claimed = try_claim(owner, ports, is_relayed, reason);
        port = port == range.last ? range.first : port + 1;
        if (any) next_ = static_cast<std::uint16_t>(port);
        if (claimed) return ports;
    }
    if (any) reason = "all ports are already allocated";
    throw Error(ErrorKind::internal, "{}", reason);
}

std::vector<PublishedPort> PortKeeper::claim(const std::string& owner,
                                             const std::vector<PortRequest>& requests,
                                             bool ipv6_host, const Predicate& is_relayed) {
    std::lock_guard lock(mutex_);
    std::vector<PublishedPort> claimed;
    try {
        for (const PortRequest& request : requests) {
            std::vector<PublishedPort> ports = claim_one(owner, request, ipv6_host, is_relayed);
            claimed.insert(claimed.end(), ports.begin(), ports.end());
        }
    } catch (...) {
        for (const PublishedPort& port : claimed) held_.erase(key_of(port));
        throw;
    }
    return claimed;
}

void PortKeeper::restore(const std::string& owner, const std::vector<PublishedPort>& ports,
                         const Predicate& is_relayed, std::map<std::string, Fd>& sockets) {
    std::lock_guard lock(mutex_);
    // Published all the same when a socket cannot be had: the map comes first.
    std::vector<Socket> opened = open_sockets(ports, is_relayed, sockets, true);
    for (std::size_t i = 0; i < ports.size(); ++i)
        held_[key_of(ports[i])] = {owner, std::move(opened[i])};
}

std::shared_ptr<const Fd> PortKeeper::find_socket(const PublishedPort& port) {
    std::lock_guard lock(mutex_);
    const auto found = held_.find(key_of(port));
    if (found == held_.end() || !found->second.socket || !*found->second.socket) return nullptr;
    return found->second.socket;
}

void PortKeeper::release(const std::vector<PublishedPort>& ports) {
    std::lock_guard lock(mutex_);
    for (const PublishedPort& port : ports) held_.erase(key_of(port));
}

}  // namespace hull::network
