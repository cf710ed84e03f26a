#include "names/program.hh"

#include "linux/locked_service.hh"
#include "names/server.hh"

namespace hull::names {

/// Its descriptors: two sockets for each container.
int run_program(int argument_count, char** words) {
    constexpr int control_fd = 3;
    return linux_::run_locked_service("hull-names", argument_count, words,
                                      [] { Server(Fd(control_fd)).run(); });
}

}  // namespace hull::names
