#pragma once
#include "base/fd.hh"

#include <string>

namespace hull::registry {

/// A listening TCP socket on `HOST:PORT`; HOST is a numeric address, `[…]` around IPv6, or empty
/// for all. Port 0 takes a free one.
Fd listen_tcp(const std::string& address);
/// HOST:PORT that a socket is bound to.
std::string local_address(int socket);

}  // namespace hull::registry
