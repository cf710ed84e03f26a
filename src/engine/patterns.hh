#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// How filters match.
namespace hull::engine {

/// Whether a regular expression matches somewhere in `text`, as names and ids do in Docker's
/// filters; one that is none is taken literally.
bool matches_pattern(const std::string& text, const std::string& pattern);
/// All of `wanted`: "key" or "key=value".
bool has_labels(const std::map<std::string, std::string>& labels,
                const std::vector<std::string>& wanted);

}  // namespace hull::engine
