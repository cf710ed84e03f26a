#pragma once
#include "base/file.hh"
#include "shim/protocol.hh"

#include <string>
#include <vector>

namespace hull::task {

/// One request to the shim listening at `socket`, and its answer. Throws the shim's error,
/// unavailable when no answer came within `timeout_ms`, conflict when nobody listens any more.
shim::Reply call_shim(const Path& socket, const shim::Request& request, const std::vector<int>& fds,
                      int timeout_ms);

/// Subscribes to the events of the shim listening at `socket`. `started` tells its init.
/// An empty Fd when nobody listens there.
struct Subscription {
    Fd events;
    shim::StartResult started;
};
Subscription subscribe(const Path& socket, int timeout_ms);

}  // namespace hull::task
