#pragma once

namespace hull::probe {

/// hull-probe: one health check that needs nothing in the container's image, for hulld.
///   http HOST PORT PATH   GET, healthy when the status is 200 to 399
///   tcp HOST PORT         healthy when somebody accepts
///   file PATH             healthy when it is there
/// HOST is an address, or "localhost" for either loopback. Descriptor 3 is the container's network
/// namespace (file: its root directory), 4 an empty directory to be locked in; a sentence about
/// what was found goes to descriptor 1. Returns 0 when healthy, 1 when not. Whoever starts it
/// limits its time.
int run_program(int argument_count, char** words);

}  // namespace hull::probe
