#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hull::build::dockerfile {

/// The pattern of ${x#p}, ${x%p}, ${x/p/r}: `*` any string, `?` any character, neither of them a
/// line end; no brackets. Source: BuildKit frontend/dockerfile/shell/lex.go.
class ShellPattern {
public:
    /// Throws Error(invalid_argument) in Docker's words for a wrong escape.
    explicit ShellPattern(std::string_view pattern);

    std::string without_prefix(std::string_view value, bool longest) const;
    std::string without_suffix(std::string_view value, bool longest) const;
    /// The leftmost longest match replaced, or every one.
    std::string replace(std::string_view value, std::string_view replacement, bool all) const;

private:
    struct Token {
        enum class Kind { character, any_character, any_string } kind = Kind::character;
        char32_t code = 0;
    };
    using Text = std::vector<char32_t>;

    static std::size_t match(const std::vector<Token>& tokens, const Text& text, std::size_t start,
                             bool longest, std::size_t& work);

    std::vector<Token> tokens_;
};

}  // namespace hull::build::dockerfile
