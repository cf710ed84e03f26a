#include "engine/patterns.hh"

#include <regex.h>

#include <algorithm>

namespace hull::engine {

bool matches_pattern(const std::string& text, const std::string& pattern) {
    regex_t compiled;
    // Back references, which Go has not either, could make a match take for ever.
    bool has_back_reference = false;
    for (std::size_t i = 0; i + 1 < pattern.size(); ++i)
        has_back_reference |= pattern[i] == '\\' && pattern[i + 1] >= '0' && pattern[i + 1] <= '9';
    if (has_back_reference || ::regcomp(&compiled, pattern.c_str(), REG_EXTENDED | REG_NOSUB) != 0)
        return text.find(pattern) != std::string::npos;
    const bool matches = ::regexec(&compiled, text.c_str(), 0, nullptr, 0) == 0;
    ::regfree(&compiled);
    return matches;
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
