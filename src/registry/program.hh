#pragma once

namespace hull::registry {

/// hull-registry's main. The process that is started only opens sockets and files; a worker that it
/// starts, unprivileged and locked in, reads what strangers send, and is started again should it
/// crash.
int run_program(int argument_count, char** arguments);

}  // namespace hull::registry
