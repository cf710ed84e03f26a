#pragma once

namespace hull::names {

/// `hull-names --directory DIR --uid UID`: answers DNS for containers in a sandbox. Descriptor 3 is
/// the daemon's socket. Returns the exit code.
int run_program(int argument_count, char** words);

}  // namespace hull::names
