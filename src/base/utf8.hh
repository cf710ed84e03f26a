#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace hull {

/// Bytes of the UTF-8 sequence that starts at `at`, which is inside of `text`; 0 when it is not
/// valid: cut off, overlong, a surrogate or beyond U+10FFFF. Source: RFC 3629, section 4.
std::size_t utf8_length(std::string_view text, std::size_t at);

/// Appends the UTF-8 sequence of a code point that is not a surrogate.
void append_utf8(std::string& text, char32_t code_point);

}  // namespace hull
