#pragma once

namespace hull::cli {

/// The whole program: parses, runs one command, returns the exit code.
int run_program(int argc, char** argv);

}  // namespace hull::cli
