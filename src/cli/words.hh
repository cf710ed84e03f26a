#pragma once
#include "base/error.hh"
#include "base/text.hh"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// What the value grammars of flags are made of.
namespace hull::cli {

/// Throws invalid_argument.
template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> text, Args&&... args) {
    throw Error(ErrorKind::invalid_argument, "{}", fmt::format(text, std::forward<Args>(args)...));
}

/// The two sides of the first `separator`; the right one is absent when there is none.
std::pair<std::string_view, std::optional<std::string_view>> cut(std::string_view text,
                                                                 char separator);
/// Fields of one CSV record: "a","b ""c""",d. Throws invalid_argument with Go's text.
std::vector<std::string> split_csv(std::string_view text);
/// `parts` with `separator` between them.
std::string join_text(const std::vector<std::string>& parts, std::string_view separator);
/// The order of names with numbers in them: a2 before a10.
bool natural_less(std::string_view a, std::string_view b);
/// An IPv4 or IPv6 address.
bool is_ip(std::string_view text);

}  // namespace hull::cli
