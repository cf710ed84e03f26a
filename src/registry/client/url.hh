#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace hull::registry_client {

/// An http or https address, taken apart.
struct Url {
    std::string scheme;  ///< "http" or "https"
    std::string host;    ///< without brackets
    std::uint16_t port = 0;
    std::string target = "/";  ///< path and query, escaped

    bool is_https() const { return scheme == "https"; }
    /// host, or host:port where the port is not the scheme's; for the Host header.
    std::string authority() const;
    std::string origin() const { return scheme + "://" + authority(); }
    std::string str() const { return origin() + target; }
    bool same_origin(const Url& other) const {
        return scheme == other.scheme && host == other.host && port == other.port;
    }
};

/// Throws invalid_argument: for other schemes, user information, control characters and bad ports.
Url parse_url(std::string_view text);
/// A Location header: absolute, or relative to what was asked.
Url resolve_url(const Url& base, std::string_view location);

}  // namespace hull::registry_client
