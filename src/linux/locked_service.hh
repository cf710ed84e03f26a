#pragma once
#include <functional>

namespace hull::linux_ {

/// The main function of an unprivileged service of the daemon: `words` are --directory DIR and
/// --uid UID; it may open as many descriptors as the machine allows, locks itself into DIR as UID
/// with the network alone, and calls `serve`, which may read bytes of strangers. Returns the exit
/// status; a failure is one line on standard error, with `program` in front.
int run_locked_service(const char* program, int argument_count, char** words,
                       const std::function<void()>& serve);

}  // namespace hull::linux_
