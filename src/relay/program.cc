#include "relay/program.hh"

#include "linux/locked_service.hh"
#include "relay/server.hh"

namespace hull::relay {

/// Its descriptors: one for each port, two for each connection.
int run_program(int argument_count, char** words) {
    constexpr int listener_fd = 3;
    return linux_::run_locked_service("hull-relay", argument_count, words,
                                      [] { Server(Fd(listener_fd)).run(); });
}

}  // namespace hull::relay
