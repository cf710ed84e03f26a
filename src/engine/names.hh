#pragma once
#include <functional>
#include <string>
#include <string_view>

namespace hull::engine {

/// True when `name` (without its slash) may be a container's name:
/// [a-zA-Z0-9][a-zA-Z0-9_.-]+.
bool is_valid_name(std::string_view name);

/// "adjective_noun" from our own words; tries until `is_free`, then adds a digit.
std::string make_random_name(const std::function<bool(const std::string&)>& is_free);

}  // namespace hull::engine
