#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// How filters match.
namespace hull::engine {

/// Names and ids match as unanchored regular expressions in Docker; the parts people use are
/// literals with ^ and $.
bool matches_pattern(std::string_view text, std::string_view pattern);
/// All of `wanted`: "key" or "key=value".
bool has_labels(const std::map<std::string, std::string>& labels,
                const std::vector<std::string>& wanted);

}  // namespace hull::engine
