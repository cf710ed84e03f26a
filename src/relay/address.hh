#pragma once
#include "linux/ip.hh"

#include <sys/socket.h>

#include <cstdint>

namespace hull::relay {

using linux_::IpAddress;

/// A port of a container.
struct Target {
    std::uint8_t protocol = 6;  ///< IPPROTO_*
    IpAddress address;
    std::uint16_t port = 0;
};

/// An address as the kernel takes and gives it.
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;

    static SocketAddress of(const IpAddress& ip, std::uint16_t port);
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

}  // namespace hull::relay
