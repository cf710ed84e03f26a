#include "engine/patterns.hh"

#include <algorithm>

namespace hull::engine {

bool matches_pattern(std::string_view text, std::string_view pattern) {
    const bool anchored_start = pattern.starts_with('^');
    const bool anchored_end = pattern.ends_with('$');
    if (anchored_start) pattern.remove_prefix(1);
    if (anchored_end) pattern.remove_suffix(1);
    if (pattern.starts_with('/')) pattern.remove_prefix(1);
    if (anchored_start && anchored_end) return text == pattern;
    if (anchored_start) return text.starts_with(pattern);
    if (anchored_end) return text.ends_with(pattern);
    return text.find(pattern) != std::string_view::npos;
}

bool has_labels(const std::map<std::string, std::string>& labels,
                const std::vector<std::string>& wanted) {
    return std::all_of(wanted.begin(), wanted.end(), [&](const std::string& text) {
        const std::size_t equals = text.find('=');
        const auto label = labels.find(text.substr(0, equals));
        if (label == labels.end()) return false;
        return equals == std::string::npos || label->second == text.substr(equals + 1);
    });
}

}  // namespace hull::engine
