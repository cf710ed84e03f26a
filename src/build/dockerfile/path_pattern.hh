#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hull::build::dockerfile {

/// A compiled pattern over paths: Go's filepath.Match, and `**` where a .dockerignore allows it.
class PathPattern {
public:
    enum class Dialect { file_path, ignore_file };

    /// Throws Error(invalid_argument, "syntax error in pattern").
    PathPattern(std::string_view pattern, Dialect dialect);

    bool matches(std::string_view path) const;

private:
    struct Token {
        enum class Kind {
            character,
            any_character,  ///< `?`: all but '/'
            any_name,       ///< `*`: any number of characters but '/'
            directories,    ///< `**/`: nothing, or anything that ends in '/'
            anything,       ///< `**` at the end
            set,            ///< [a-z]
        } kind = Kind::character;
        char32_t code = 0;
        bool negated = false;
        std::vector<std::pair<char32_t, char32_t>> ranges{};

        bool accepts(char32_t character) const;
    };
    /// How a pattern is matched: most are simpler than they could be.
    enum class Strategy { exact, prefix, suffix, tokens };

    void add_stars(std::string_view pattern, std::size_t& at, Dialect dialect);
    static Token read_set(std::string_view pattern, std::size_t& at);
    bool matches_tokens(std::string_view path) const;

    Strategy strategy_ = Strategy::exact;
    std::string literal_;  ///< of the simple strategies
    std::vector<Token> tokens_;
};

/// Go's filepath.Clean: no empty names, no `.`, `..` resolved where it can be; "" is ".".
std::string clean_path(std::string_view path);

}  // namespace hull::build::dockerfile
