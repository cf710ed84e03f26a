#include "registry/client/challenge.hh"

#include "base/text.hh"

#include <cstring>

namespace hull::registry_client {

namespace {

bool is_token_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != 0 && std::strchr("!#$%&'*+-.^_`|~", c) != nullptr);
}

/// Takes the header apart from its front.
class Scanner {
public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    void skip(std::string_view characters) {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(characters), rest_.size()));
    }
    std::string_view token() {
        std::size_t end = 0;
        while (end < rest_.size() && is_token_character(rest_[end])) ++end;
        return take(end);
    }
    bool take_character(char wanted) {
        if (!rest_.starts_with(wanted)) return false;
        rest_.remove_prefix(1);
        return true;
    }
    /// A token or a quoted string; false when there is neither.
    bool value(std::string& into) {
        if (!take_character('"')) {
            // Realms come unquoted, too.
            const std::size_t end = std::min(rest_.find_first_of(", \t\""), rest_.size());
            into = take(end);
            return !into.empty();
        }
        while (!rest_.empty()) {
            const char c = rest_.front();
            rest_.remove_prefix(1);
            if (c == '"') return true;
            if (c == '\\' && !rest_.empty()) {
                into += rest_.front();
                rest_.remove_prefix(1);
            } else {
                into += c;
            }
        }
        return false;
    }
    bool at_end() const { return rest_.empty(); }

private:
    std::string_view take(std::size_t count) {
        const std::string_view taken = rest_.substr(0, count);
        rest_.remove_prefix(count);
        return taken;
    }
    std::string_view rest_;
};

}  // namespace

std::vector<Challenge> parse_challenges(std::string_view header) {
    std::vector<Challenge> challenges;
    Scanner scanner(header);
    for (;;) {
        scanner.skip(" \t,");
        if (scanner.at_end()) return challenges;
        const std::string_view word = scanner.token();
        if (word.empty()) return challenges;
        scanner.skip(" \t");
        if (!scanner.take_character('=')) {
            challenges.push_back({lower(word), {}});
            continue;
        }
        std::string value;
        scanner.skip(" \t");
        if (challenges.empty() || !scanner.value(value)) return challenges;
        challenges.back().parameters.emplace(lower(word), std::move(value));
    }
}

}  // namespace hull::registry_client
