#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hull::registry {

enum class Right { pull, push, remove };
/// The specification's names of token actions: pull, push, delete.
std::string_view to_string(Right right);
std::optional<Right> find_right(std::string_view name);

/// Whether `pattern` (`*`: within a component, `**`: anything) is the whole `name`.
bool matches_pattern(std::string_view pattern, std::string_view name);

/// Who may do what with which repositories: lines of `WHO PATTERN RIGHTS`. WHO is a user, `@users`
/// (anybody who has logged in) or `*` (anybody); RIGHTS is a list of pull, push, delete, or all.
/// What no line allows is refused.
class Rights {
public:
    /// Everybody who has logged in, or when `for_all` simply everybody, may do everything.
    static Rights everything(bool for_all);
    /// Throws invalid_argument with the line's number.
    static Rights parse(std::string_view text);

    /// `user` is "" for somebody who has not logged in.
    bool allow(std::string_view user, std::string_view repository, Right right) const;

private:
    struct Rule {
        std::string who, pattern;
        bool pull = false, push = false, remove = false;
    };
    std::vector<Rule> rules_;
};

}  // namespace hull::registry
