#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hull::build::dockerfile {

/// The patterns of a .dockerignore: comments and blanks gone, cleaned as Docker cleans them.
std::vector<std::string> parse_ignore_file(std::string_view text);

/// Matches paths against .dockerignore patterns (also COPY --exclude). The last pattern that
/// matches decides; a match of a parent directory counts for what is below.
/// Source: moby/patternmatcher.
class IgnorePatterns {
public:
    IgnorePatterns();
    /// Throws Error(invalid_argument) for a pattern with a syntax error or a lone "!".
    explicit IgnorePatterns(const std::vector<std::string>& patterns);
    ~IgnorePatterns();
    IgnorePatterns(IgnorePatterns&&) noexcept;
    IgnorePatterns& operator=(IgnorePatterns&&) noexcept;

    /// `path` is relative to the root, with '/' between names.
    bool is_excluded(std::string_view path) const;
    /// True when nothing below the excluded directory `path` can be included again, so that a walk
    /// need not enter it.
    bool can_skip_directory(std::string_view path) const;
    bool empty() const;
    /// Whether a pattern with `!` is among them.
    bool has_exceptions() const;
    /// The last pattern that decided about `path`, as written; "" when none did. For messages.
    std::string deciding_pattern(std::string_view path) const;

private:
    struct Pattern;
    std::vector<Pattern> patterns_;
};

/// Go's filepath.Match: `*` and `?` stay within a name. Throws Error(invalid_argument, "syntax
/// error in pattern"). For the wildcards of COPY and ADD sources.
bool match_path(std::string_view pattern, std::string_view path);
/// Whether a source has wildcards at all (`*`, `?`, `[`, outside of escapes).
bool has_wildcards(std::string_view path);

}  // namespace hull::build::dockerfile
