#pragma once
#include <string_view>

namespace hull::cli {

class Session;

/// Prints `warning` and asks; true for y or yes. End of input is no.
bool confirm(Session& session, std::string_view warning);

}  // namespace hull::cli
