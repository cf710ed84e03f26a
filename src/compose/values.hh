#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The value grammars of Compose files. nullopt: the text is none.
namespace hull::compose {

/// 512m, 1.5GiB, 100: powers of 1024 (docker/go-units RAMInBytes).
std::optional<std::int64_t> parse_size(std::string_view text);
/// 1m30s in nanoseconds (Go's time.ParseDuration, and d and w, which Compose adds).
std::optional<std::int64_t> parse_duration(std::string_view text);
/// As Go prints a time.Duration: 1m30s.
std::string format_duration(std::int64_t ns);
/// true, yes, on, 1 … as Compose takes them.
std::optional<bool> parse_boolean(std::string_view text);
std::optional<std::int64_t> parse_integer(std::string_view text);
std::optional<double> parse_number(std::string_view text);
/// The words of a command as a POSIX shell splits them. nullopt: a quote does not end.
std::optional<std::vector<std::string>> split_command(std::string_view text);
/// `path` below `directory` unless it is absolute; `.`, `..` and `~` are resolved in the text.
std::string resolve_path(std::string_view directory, std::string_view path);
/// Without `.`, `..` and doubled slashes.
std::string clean_path(std::string_view path);
std::string parent_directory(std::string_view path);
/// The word of `words` that is typed almost like `word`; "" when none is.
std::string nearest(std::string_view word, const std::vector<std::string_view>& words);
/// "a, b and c"
std::string join_words(const std::vector<std::string>& words, std::string_view separator);

}  // namespace hull::compose
