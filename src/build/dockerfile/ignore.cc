#include "build/dockerfile/ignore.hh"

#include "base/error.hh"
#include "base/text.hh"
#include "build/dockerfile/path_pattern.hh"
#include "build/dockerfile/text.hh"

#include <algorithm>

namespace hull::build::dockerfile {
namespace {

/// Whether `path` is already what clean_path would make of it.
bool is_clean(std::string_view path) {
    if (path.empty() || path.back() == '/') return path == "/";
    for (std::size_t at = 0; at < path.size(); ++at) {
        if (at != 0 && path[at - 1] != '/') continue;
        // A name starts here.
        if (path[at] == '/' && at != 0) return false;
        if (path[at] == '.' &&
            (at + 1 == path.size() || path[at + 1] == '/' || path[at + 1] == '.'))
            return false;
    }
    return true;
}

}  // namespace

struct IgnorePatterns::Pattern {
    std::string text;  ///< cleaned, without '!'
    bool includes = false;
    PathPattern compiled;
    std::vector<PathPattern> names;  ///< each name of `text` up to a `**`

    Pattern(std::string cleaned, bool includes_again)
        : text(std::move(cleaned)),
          includes(includes_again),
          compiled(text, PathPattern::Dialect::ignore_file) {
        if (!includes) return;
        for (const std::string& name : split(text, '/')) {
            if (name.find("**") != std::string::npos) break;
            try {
                names.emplace_back(name, PathPattern::Dialect::file_path);
            } catch (const Error&) {
                break;  // a set with a '/' in it: from here on anything may match
            }
        }
    }

    bool matches_or_parent(std::string_view path) const {
        if (compiled.matches(path)) return true;
        for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
             slash = path.find('/', slash + 1))
            if (compiled.matches(path.substr(0, slash))) return true;
        return false;
    }

    bool may_match_below(const std::vector<std::string_view>& directory) const {
        for (std::size_t i = 0; i < std::min(names.size(), directory.size()); ++i)
            if (!names[i].matches(directory[i])) return false;
        return true;
    }
};

std::vector<std::string> parse_ignore_file(std::string_view text) {
    constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
    if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
    std::vector<std::string> patterns;
    for (std::string_view line : split_views(text, '\n')) {
        if (line.starts_with('#')) continue;
        line = trim_space(line);
        if (line.empty()) continue;
        const bool includes = line[0] == '!';
        if (includes) line = trim_space(line.substr(1));
        std::string pattern;
        if (!line.empty()) {
            pattern = clean_path(line);
            if (pattern.size() > 1 && pattern[0] == '/') pattern.erase(0, 1);
        }
        patterns.push_back(includes ? "!" + pattern : pattern);
    }
    return patterns;
}

IgnorePatterns::IgnorePatterns() = default;
IgnorePatterns::~IgnorePatterns() = default;
IgnorePatterns::IgnorePatterns(IgnorePatterns&&) noexcept = default;
IgnorePatterns& IgnorePatterns::operator=(IgnorePatterns&&) noexcept = default;

IgnorePatterns::IgnorePatterns(const std::vector<std::string>& patterns) {
    for (const std::string& given : patterns) {
        std::string pattern(trim_space(given));
        if (pattern.empty()) continue;
        pattern = clean_path(pattern);
        const bool includes = pattern[0] == '!';
        if (pattern == "!")
            throw Error(ErrorKind::invalid_argument, "illegal exclusion pattern: \"!\"");
        if (includes) pattern.erase(0, 1);
        with_context([&] { patterns_.emplace_back(std::move(pattern), includes); }, "{}", given);
    }
}

bool IgnorePatterns::empty() const { return patterns_.empty(); }

bool IgnorePatterns::has_exceptions() const {
    return std::any_of(patterns_.begin(), patterns_.end(),
                       [](const Pattern& pattern) { return pattern.includes; });
}

bool IgnorePatterns::is_excluded(std::string_view path) const {
    std::string cleaned;
    if (!is_clean(path)) {
        cleaned = clean_path(path);
        path = cleaned;
    }
    if (path == ".") return false;  // the context itself
    bool excluded = false;
    for (const Pattern& pattern : patterns_)
        if (pattern.includes == excluded && pattern.matches_or_parent(path)) excluded = !excluded;
    return excluded;
}

std::string IgnorePatterns::deciding_pattern(std::string_view path) const {
    const std::string cleaned = clean_path(path);
    for (auto pattern = patterns_.rbegin(); pattern != patterns_.rend(); ++pattern)
        if (pattern->matches_or_parent(cleaned))
            return (pattern->includes ? "!" : "") + pattern->text;
    return "";
}

bool IgnorePatterns::can_skip_directory(std::string_view path) const {
    const std::string cleaned = clean_path(path);
    if (!is_excluded(cleaned)) return false;
    const std::vector<std::string_view> names = split_views(cleaned, '/');
    return std::none_of(patterns_.begin(), patterns_.end(), [&](const Pattern& pattern) {
        return pattern.includes && pattern.may_match_below(names);
    });
}

bool match_path(std::string_view pattern, std::string_view path) {
    return PathPattern(pattern, PathPattern::Dialect::file_path).matches(path);
}

bool has_wildcards(std::string_view path) {
    for (std::size_t at = 0; at < path.size(); ++at) {
        if (path[at] == '\\')
            ++at;
        else if (path[at] == '*' || path[at] == '?' || path[at] == '[')
            return true;
    }
    return false;
}

}  // namespace hull::build::dockerfile
