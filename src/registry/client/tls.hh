#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hull::registry_client {

/// Whom we believe, and who we are. PEM texts: a process without a file system reads no files.
struct TlsMaterial {
    bool verify = true;
    std::string system_authorities;        ///< the machine's bundle; read when it is needed
    std::vector<std::string> authorities;  ///< ca.crt of the registry's own directory
    struct Identity {
        std::string certificate, key;
    };
    std::vector<Identity> identities;  ///< client certificates
};

/// A client's side of TLS 1.2 or 1.3 on a connected, non-blocking socket that it does not own.
class TlsStream {
public:
    /// Shakes hands. Throws unavailable with Go's texts, which Docker's users know:
    /// "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    /// "http: server gave HTTP response to HTTPS client" (error_number() EPROTO).
    TlsStream(int socket, const std::string& host, const TlsMaterial& material, int silence_ms);
    ~TlsStream();

    /// Decrypted bytes that can be had without the socket.
    bool has_buffered() const;
    /// 0 at the end of the stream.
    std::size_t read(std::span<std::byte> buffer);
    void write(std::string_view bytes);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace hull::registry_client
