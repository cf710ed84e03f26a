#pragma once
#include "base/fd.hh"
#include "base/locked.hh"

#include <memory>
#include <string>

namespace hull::registry {

/// The server's side of TLS 1.2 and 1.3. Each connection gets a thread that carries bytes between
/// the socket and one end of a socket pair; HTTP is spoken on the other end.
class TlsServer {
public:
    struct Material {
        std::string certificate, key;  ///< PEM; the certificate with its chain
        std::string client_authority;  ///< "": clients need no certificate
    };
    /// Throws invalid_argument when certificate and key are unusable.
    explicit TlsServer(const Material& material);
    ~TlsServer();

    /// For connections from now on. Throws as the constructor does; then nothing has changed.
    void reload(const Material& material);
    /// Shakes hands on an accepted socket. Throws when the client does not speak TLS or is too
    /// slow.
    Fd wrap(int socket);

private:
    struct Context;
    Locked<std::shared_ptr<Context>> context_;  // shared with handshakes that began before a reload
};

}  // namespace hull::registry
