#pragma once

namespace hull::sender {

/// hull-log: takes a container's output from its shim on descriptor 0 and sends it away, line by
/// line. Descriptor 3 gets one byte once the other end is reached, or what is wrong.
/// Ends some seconds after its input, or earlier when everything is sent.
int run_program();

}  // namespace hull::sender
