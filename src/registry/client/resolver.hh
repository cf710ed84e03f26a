#pragma once
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hull::registry_client {

/// What a process without a file system knows of names: read before it was locked in.
struct NameFiles {
    std::string hosts;        ///< /etc/hosts
    std::string resolv_conf;  ///< /etc/resolv.conf
};

struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;
    std::string str() const;  ///< 127.0.0.1:5000, [::1]:5000
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

/// nullopt-like empty vector when `text` is no numeric address.
std::vector<Address> numeric_address(const std::string& text, std::uint16_t port);

/// Numeric addresses, the hosts file, then the name servers, as resolv.conf(5) says (search,
/// ndots, timeout, attempts). IPv4 first. Throws unavailable with Go's text, which Docker's users
/// know: `lookup NAME: no such host`.
std::vector<Address> resolve(const NameFiles& files, const std::string& host, std::uint16_t port);

}  // namespace hull::registry_client
