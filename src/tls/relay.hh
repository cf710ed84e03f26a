#pragma once
#include <memory>
#include <string>

using SSL = struct ssl_st;

namespace hull::tls {

struct SslDelete {
    void operator()(SSL* ssl) const;
};
using Ssl = std::unique_ptr<SSL, SslDelete>;

/// The handshake on `ssl`, whose socket is not blocking; as server or client by its state.
/// Throws unavailable with what went wrong.
void shake_hands(SSL* ssl, int socket, int timeout_ms);

/// Carries bytes between `ssl` on `socket` and `plain` (both not blocking) until both directions
/// have ended or one side is gone. The end of one direction is passed on as such: close_notify
/// here, shutdown(SHUT_WR) there. Returns what TLS broke off with, "" after an orderly end.
std::string relay(SSL* ssl, int socket, int plain);

/// The same without TLS.
void relay_plain(int socket, int plain);

/// Ends our sending and throws away what the peer still sends, for 2 s at most: a close with
/// unread input is a reset, which takes from the peer what it was just told.
void linger(int socket);

}  // namespace hull::tls
