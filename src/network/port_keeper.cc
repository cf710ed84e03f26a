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

Fd PortKeeper::try_bind(const PublishedPort& port) const {
    const int family = port.host_ip.is_v6() ? AF_INET6 : AF_INET;
    const bool is_udp = port.protocol == "udp";
    const int protocol = port.protocol == "sctp" ? IPPROTO_SCTP : 0;
    Fd socket(::socket(family, (is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, protocol));
    if (!socket) {
        if (port.protocol == "sctp") return {};  // no SCTP on the host: nobody can have the port
        throw_errno(errno, "socket");
    }
    int result;
    if (family == AF_INET6) {
        const int on = 1;
        ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        sockaddr_in6 address{};
        address.sin6_family = AF_INET6;
        address.sin6_port = htons(port.host_port);
        std::memcpy(&address.sin6_addr, port.host_ip.bytes().data(), 16);
        result = ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    } else {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port.host_port);
        std::memcpy(&address.sin_addr, port.host_ip.bytes().data(), 4);
        result = ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    }
    if (result != 0)
        throw_errno(errno, "failed to bind host port {}/{}", spoken(port), port.protocol);
    return socket;
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
                           std::string& reason) {
    std::vector<Fd> sockets;
    for (const PublishedPort& port : ports) {
        if (const std::string* other = find_owner(port)) {
            reason = fmt::format("Bind for {} failed: port is already allocated by container {}",
                                 spoken(port), *other);
            return false;
        }
        try {
            sockets.push_back(try_bind(port));
        } catch (const Error& error) {
            reason = error.message();
            if (error.error_number() == EADDRINUSE)
                reason += " by a program of this host";
            else if (error.error_number() == EADDRNOTAVAIL)
                reason += ": this host has no such address";
            return false;
        }
    }
    for (std::size_t i = 0; i < ports.size(); ++i)
        held_[key_of(ports[i])] = {owner, std::move(sockets[i])};
    return true;
}

std::vector<PublishedPort> PortKeeper::claim_one(const std::string& owner,
                                                 const PortRequest& request, bool ipv6_host) {
    PortRange range = request.host;
    const bool any = range.first == 0;
    if (any) range = dynamic_range();
    std::uint32_t port = range.first;
    if (any) port = next_ >= range.first && next_ <= range.last ? next_ : range.first;
    std::string reason;
    for (std::uint32_t tries = 0; tries <= std::uint32_t{range.last} - range.first; ++tries) {
        const auto number = static_cast<std::uint16_t>(port);
        std::vector<PublishedPort> ports = addresses_of(request, number, ipv6_host);
        const bool claimed = try_claim(owner, ports, reason);
        port = port == range.last ? range.first : port + 1;
        if (any) next_ = static_cast<std::uint16_t>(port);
        if (claimed) return ports;
    }
    if (any) reason = "all ports are already allocated";
    throw Error(ErrorKind::internal, "{}", reason);
}

std::vector<PublishedPort> PortKeeper::claim(const std::string& owner,
                                             const std::vector<PortRequest>& requests,
                                             bool ipv6_host) {
    std::lock_guard lock(mutex_);
    std::vector<PublishedPort> claimed;
    try {
        for (const PortRequest& request : requests) {
            std::vector<PublishedPort> ports = claim_one(owner, request, ipv6_host);
            claimed.insert(claimed.end(), ports.begin(), ports.end());
        }
    } catch (...) {
        for (const PublishedPort& port : claimed) held_.erase(key_of(port));
        throw;
    }
    return claimed;
}

void PortKeeper::restore(const std::string& owner, const std::vector<PublishedPort>& ports) {
    std::lock_guard lock(mutex_);
    for (const PublishedPort& port : ports) {
        Fd socket;
        try {
            socket = try_bind(port);
        } catch (const Error& error) {  // published all the same: the map comes first
            log::warning("container {}: {}", owner, error.message());
        }
        held_[key_of(port)] = {owner, std::move(socket)};
    }
}

void PortKeeper::release(const std::vector<PublishedPort>& ports) {
    std::lock_guard lock(mutex_);
    for (const PublishedPort& port : ports) held_.erase(key_of(port));
}

}  // namespace hull::network
