#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace hull::engine {

/// "SIGTERM", "term", "15", "SIGRTMIN+3" -> number; nullopt when there is no such signal.
std::optional<int> find_signal(std::string_view text);
/// Throws invalid_argument "Invalid signal: TEXT".
int parse_signal(std::string_view text);

}  // namespace hull::engine
