#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hull {

/// The parts between separators, empty ones included: "a,,b" has three, "" has one.
std::vector<std::string> split(std::string_view text, char separator);
/// As `split`, as views into `text`, which must outlive them.
std::vector<std::string_view> split_views(std::string_view text, char separator);
/// The parts that are not empty: words of a line, names in a path.
std::vector<std::string> split_nonempty(std::string_view text, char separator);

/// ASCII letters in lower case.
std::string lower(std::string_view text);
/// Without blanks, tabs and line ends on both sides.
std::string_view trim(std::string_view text);

/// RFC 4648 with padding.
std::string encode_base64(std::string_view bytes);
/// Both alphabets (RFC 4648 4 and 5), padded or not; nullopt for anything else.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace hull
