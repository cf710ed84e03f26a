#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hull::http {

/// Header fields in order; names compare case-insensitively.
class Headers {
public:
    using Field = std::pair<std::string, std::string>;

    Headers() = default;
    Headers(std::initializer_list<Field> fields) : fields_(fields) {}

    void add(std::string name, std::string value);
    /// Replaces every field of that name.
    void set(std::string name, std::string value);
    void erase(std::string_view name);
    std::optional<std::string_view> find(std::string_view name) const;
    /// "" when missing.
    std::string_view get(std::string_view name) const;
    /// Whether the comma-separated list in `name` has `token` (case-insensitive).
    bool has_token(std::string_view name, std::string_view token) const;
    std::vector<Field>::const_iterator begin() const { return fields_.begin(); }
    std::vector<Field>::const_iterator end() const { return fields_.end(); }

private:
    std::vector<Field> fields_;
};

bool equal_folded(std::string_view a, std::string_view b);

/// %XX decoded; `+` is a space only where `plus_is_space` (query strings).
/// Throws invalid_argument for a broken escape.
std::string decode_percent(std::string_view text, bool plus_is_space);
/// Everything but unreserved characters becomes %XX.
std::string encode_percent(std::string_view text);

/// Query parameters in order; a name may repeat.
using Query = std::vector<std::pair<std::string, std::string>>;
Query parse_query(std::string_view text);
/// "" or "?a=b&c=d".
std::string format_query(const Query& query);

/// The reason phrase of a status, "" for unknown ones.
std::string_view status_text(int status);

}  // namespace hull::http
