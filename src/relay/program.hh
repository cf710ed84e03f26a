#pragma once

namespace hull::relay {

/// `hull-relay --directory DIR --uid UID`: carries what arrives at published ports to containers of
/// another address family, in a sandbox. Descriptor 3 is the socket that daemons connect to.
/// Returns the exit code.
int run_program(int argument_count, char** words);

}  // namespace hull::relay
