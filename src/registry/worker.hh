#pragma once
#include "base/fd.hh"
#include "registry/options.hh"

#include <vector>

namespace hull::registry {

/// What the supervisor gives its worker: descriptors by number.
struct WorkerInput {
    Fd control;               ///< to the supervisor: its end is the order to stop at once
    std::vector<Fd> sockets;  ///< listening
    Fd store;                 ///< to ask about an engine's store; empty without --store
};

/// Becomes an unprivileged, locked-in process and serves until SIGTERM or the supervisor's end.
/// The process must have one thread.
void run_worker(const Options& options, WorkerInput input);

}  // namespace hull::registry
