#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hull::build::dockerfile {

/// One character of UTF-8 text; an invalid byte is a character of its own, U+FFFD.
struct Character {
    char32_t code = 0;
    std::size_t size = 0;  ///< bytes it takes, 0 at the end of the text
};
Character decode(std::string_view text, std::size_t at);
/// Go's unicode.IsSpace.
bool is_space(char32_t code);
bool is_letter(char32_t code);
inline bool is_digit(char32_t code) { return code >= '0' && code <= '9'; }

std::size_t count_characters(std::string_view text);
/// Without blanks of any kind (`is_space`) on the left, on both sides.
std::string_view trim_left_space(std::string_view text);
std::string_view trim_space(std::string_view text);

std::string upper(std::string_view text);
bool equal_fold(std::string_view left, std::string_view right);
/// As Go's %q writes it.
std::string quote(std::string_view text);

}  // namespace hull::build::dockerfile
