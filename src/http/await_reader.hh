#pragma once

namespace hull::http {

/// Waits until the peer has read what was sent on a unix socket, at most 0.3 s. Clients read the
/// header of an upgrade through a buffer and the stream past it: docker-py loses what comes in one
/// piece with the header. Docker starts an exec so slowly that this cannot happen to it. On other
/// sockets, whose peers cannot be watched so, it returns at once.
void await_reader(int socket) noexcept;

}  // namespace hull::http
