#pragma once

namespace hull::buildkit {

/// hull-buildkit --directory DIR --uid UID: what hulld hands it over descriptor 3 are
/// connections of BuildKit clients. It locks itself into DIR before it
/// reads any of them, and ends when hulld does.
int run_program(int argument_count, char** words);

}  // namespace hull::buildkit
