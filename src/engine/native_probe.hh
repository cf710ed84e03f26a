#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hull::engine {

/// Whether a health check's Test of this kind needs nothing in the image: HTTP, TCP or FILE.
bool is_native_probe(std::string_view kind);

/// The words for hull-probe of a native health check: {"HTTP", "http://localhost:8080/healthz"}
/// (also "8080/healthz"), {"TCP", "[HOST:]PORT"}, {"FILE", PATH}. HOST is an address, or localhost.
/// Throws invalid_argument.
std::vector<std::string> parse_native_probe(std::span<const std::string> test);

}  // namespace hull::engine
