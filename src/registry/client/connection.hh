#pragma once
#include "base/fd.hh"
#include "registry/client/resolver.hh"
#include "registry/client/tls.hh"
#include "registry/client/url.hh"

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hull::registry_client {

/// A proxy of the environment (HTTP_PROXY and the like).
struct Proxy {
    Url url;
    std::string authorization;  ///< "Basic …", "" when the proxy's address names no user
};

/// Reads `http://user:password@proxy:3128`; a missing scheme is http.
Proxy parse_proxy(std::string_view text);
/// Whether NO_PROXY (names, .domains, addresses, CIDRs, `*`) or being local keeps `url` from a
/// proxy.
bool bypasses_proxy(std::string_view no_proxy, const Url& url);

/// Whether a numeric `host` lies in `cidr`; false for anything else.
bool in_network(std::string_view cidr, const std::string& host);

/// How we reach the network.
struct Network {
    NameFiles names;
    int silence_ms = 30'000;  ///< longest wait for a peer that owes us bytes
    int connect_ms = 10'000;
    std::optional<Proxy> http_proxy, https_proxy;
    std::string no_proxy;

    const Proxy* proxy_for(const Url& url) const;
};

/// One stream to a server, plain or TLS, perhaps through a proxy.
class Connection {
public:
    /// Throws unavailable with Go's texts: `dial tcp 127.0.0.1:5000: connect: connection refused`.
    Connection(const Network& network, const Url& url, const TlsMaterial& material);

    /// 0 at the end of the stream; throws unavailable when nothing comes.
    std::size_t read(std::span<std::byte> buffer);
    void write(std::string_view bytes);
    /// Whether an idle connection can take another request.
    bool is_fresh() const;
    /// Plain HTTP goes to proxies with the whole address in the request line.
    bool wants_absolute_target() const { return through_http_proxy_; }

private:
    std::size_t read_plain(std::span<std::byte> buffer);
    void write_plain(std::string_view bytes);
    void open_tunnel(const Url& url, const Proxy& proxy);

    int silence_ms_;
    Fd socket_;
    std::unique_ptr<TlsStream> tls_;
    bool through_http_proxy_ = false;
};

}  // namespace hull::registry_client
