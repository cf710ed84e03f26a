#pragma once
#include "base/fd.hh"
#include "base/file.hh"
#include "base/locked.hh"
#include "http/server.hh"

#include <optional>
#include <string>

namespace hull {

struct TlsOptions {
    bool enabled = false, verify = false;
    Path ca, certificate, key;
};

/// Missing paths become those of /etc/hull; an authority counts only when clients are verified.
TlsOptions with_default_files(TlsOptions options);

/// Makes plain connections of TLS ones by hull-tls, a process without rights that all of them go
/// through: what strangers send before they have proved who they are is never parsed as root.
class TlsGate {
public:
    /// Starts hull-tls and waits until it has read the keys. Throws with what is wrong with them.
    TlsGate(TlsOptions options, Path program, Path directory);
    /// Hands the connection over and returns the one to serve. Starts hull-tls again when it died.
    Fd wrap(Fd connection);

private:
    Fd spawn() const;

    const TlsOptions options_;
    const Path program_, directory_;
    Locked<Fd> channel_;
};

/// Whether `host` is tcp://….
bool is_tcp(const std::string& host);

/// Lets the server listen at tcp://[address][:port]; `gate` is null without TLS. Throws
/// invalid_argument for what is no address.
void listen_tcp(http::Server& server, const std::string& host, TlsGate* gate);

}  // namespace hull
