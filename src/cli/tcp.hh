#pragma once
#include "base/file.hh"
#include "http/client.hh"

#include <string>

namespace hull::cli {

/// How a tcp:// host is talked to. Empty paths: none (of `ca`: the system's authorities).
struct TlsSettings {
    bool enabled = false, verify = false;
    Path ca, certificate, key;
};

/// Connects by one hull-tls per connection, which resolves the name and speaks TLS: this program
/// stays small. They end with the connector and its copies. Connecting throws unavailable with what
/// hull-tls says.
http::Connector make_tcp_connector(const std::string& host, const TlsSettings& settings);

}  // namespace hull::cli
