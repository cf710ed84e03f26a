#include "relay/address.hh"

#include <netinet/in.h>

#include <cstring>

namespace hull::relay {

SocketAddress SocketAddress::of(const IpAddress& ip, std::uint16_t port) {
    SocketAddress result;
    if (ip.is_v6()) {
        auto& address = reinterpret_cast<sockaddr_in6&>(result.storage);
        address.sin6_family = AF_INET6;
        address.sin6_port = htons(port);
        std::memcpy(&address.sin6_addr, ip.bytes().data(), 16);
        result.size = sizeof address;
    } else {
        auto& address = reinterpret_cast<sockaddr_in&>(result.storage);
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        std::memcpy(&address.sin_addr, ip.bytes().data(), 4);
        result.size = sizeof address;
    }
    return result;
}

}  // namespace hull::relay
