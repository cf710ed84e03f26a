#include "build/dockerfile/path_pattern.hh"

#include "base/error.hh"
#include "base/text.hh"
#include "build/dockerfile/text.hh"

#include <algorithm>
#include <bit>
#include <cstdint>

namespace hull::build::dockerfile {
namespace {

Error syntax_error() { return Error(ErrorKind::invalid_argument, "syntax error in pattern"); }

/// The tokens that are reached: bit i says that the first i tokens match what was read.
class StateSet {
public:
    explicit StateSet(std::size_t states) : words_((states + 63) / 64, 0) {}
    void add(std::size_t state) { words_[state / 64] |= std::uint64_t{1} << state % 64; }
    bool has(std::size_t state) const { return (words_[state / 64] >> state % 64 & 1) != 0; }
    void clear() { std::fill(words_.begin(), words_.end(), 0); }
    bool empty() const {
        return std::all_of(words_.begin(), words_.end(),
                           [](std::uint64_t word) { return word == 0; });
    }
    template <typename Visit>
    void for_each(Visit visit) const {
        for (std::size_t i = 0; i < words_.size(); ++i)
            for (std::uint64_t rest = words_[i]; rest != 0; rest &= rest - 1)
                visit(i * 64 + static_cast<std::size_t>(std::countr_zero(rest)));
    }
    void swap(StateSet& other) { words_.swap(other.words_); }

private:
    std::vector<std::uint64_t> words_;
};

}  // namespace

bool PathPattern::Token::accepts(char32_t character) const {
    switch (kind) {
        case Kind::character: return character == code;
        case Kind::any_character:
        case Kind::any_name: return character != '/';
        case Kind::directories:
        case Kind::anything: return true;
        case Kind::set: break;
    }
    const bool inside = std::any_of(ranges.begin(), ranges.end(), [&](const auto& range) {
        return range.first <= character && character <= range.second;
    });
    return inside != negated;
}

PathPattern::Token PathPattern::read_set(std::string_view pattern, std::size_t& at) {
    const auto next_is = [&](char c) { return at < pattern.size() && pattern[at] == c; };
    const auto take = [&] {
        // A '-' or ']' that means itself is escaped.
        if (at >= pattern.size() || next_is('-') || next_is(']')) throw syntax_error();
        if (next_is('\\') && ++at >= pattern.size()) throw syntax_error();
        const Character character = decode(pattern, at);
        at += character.size;
        return character.code;
    };
    Token token{Token::Kind::set};
    token.negated = next_is('^');
    if (token.negated) ++at;
    while (token.ranges.empty() || !next_is(']')) {
        const char32_t first = take();
        char32_t last = first;
        if (next_is('-')) {
            ++at;
            last = take();
        }
        if (at >= pattern.size()) throw syntax_error();
        token.ranges.emplace_back(first, last);
    }
    ++at;
    return token;
}

void PathPattern::add_stars(std::string_view pattern, std::size_t& at, Dialect dialect) {
    const bool at_start = at == 0;
    ++at;
    if (dialect == Dialect::file_path || at >= pattern.size() || pattern[at] != '*') {
        tokens_.push_back({Token::Kind::any_name});
        strategy_ = Strategy::tokens;
        return;
    }
    ++at;
    if (at < pattern.size() && pattern[at] == '/') ++at;
    const bool at_end = at == pattern.size();
    tokens_.push_back({at_end ? Token::Kind::anything : Token::Kind::directories});
    // Docker's matcher takes these two shapes as plain text, which lets `**c` match `abc`.
    if (at_start)
        strategy_ = Strategy::suffix;
    else if (at_end && strategy_ == Strategy::exact)
        strategy_ = Strategy::prefix;
    else
        strategy_ = Strategy::tokens;
}

PathPattern::PathPattern(std::string_view pattern, Dialect dialect) {
    for (std::size_t at = 0; at < pattern.size();) {
        if (pattern[at] == '*') {
            add_stars(pattern, at, dialect);
            continue;
        }
        const Character character = decode(pattern, at);
        at += character.size;
        if (character.code == '?') {
            tokens_.push_back({Token::Kind::any_character});
            strategy_ = Strategy::tokens;
        } else if (character.code == '[') {
            tokens_.push_back(read_set(pattern, at));
            strategy_ = Strategy::tokens;
        } else if (character.code == '\\') {
            const Character escaped = decode(pattern, at);
            if (escaped.size == 0) throw syntax_error();
            at += escaped.size;
            tokens_.push_back({Token::Kind::character, escaped.code});
            strategy_ = Strategy::tokens;
        } else {
            tokens_.push_back({Token::Kind::character, character.code});
        }
    }
    if (strategy_ == Strategy::exact) literal_ = pattern;
    if (strategy_ == Strategy::prefix) literal_ = pattern.substr(0, pattern.size() - 2);
    if (strategy_ == Strategy::suffix) literal_ = pattern.substr(2);
}

bool PathPattern::matches(std::string_view path) const {
    switch (strategy_) {
        case Strategy::exact: return path == literal_;
        case Strategy::prefix: return path.starts_with(literal_);
        case Strategy::suffix:
            return path.ends_with(literal_) ||
                   (literal_.starts_with('/') && path == std::string_view(literal_).substr(1));
        case Strategy::tokens: break;
    }
    return matches_tokens(path);
}

bool PathPattern::matches_tokens(std::string_view path) const {
    if (!tokens_.empty() && tokens_[0].kind == Token::Kind::character &&
        (path.empty() || decode(path, 0).code != tokens_[0].code))
        return false;
    StateSet now(tokens_.size() + 1), next(tokens_.size() + 1);
    // A repeating token may also match nothing.
    const auto reach = [&](StateSet& set, std::size_t state) {
        set.add(state);
        while (state < tokens_.size() && (tokens_[state].kind == Token::Kind::any_name ||
                                          tokens_[state].kind == Token::Kind::directories ||
                                          tokens_[state].kind == Token::Kind::anything))
            set.add(++state);
    };
    // Inside `**/` the next token starts only behind a '/': such a state is kept apart.
    StateSet inside(tokens_.size() + 1), next_inside(tokens_.size() + 1);
    reach(now, 0);
    for (std::size_t at = 0; at < path.size();) {
        const Character character = decode(path, at);
        at += character.size;
        next.clear();
        next_inside.clear();
        const auto walk_directories = [&](std::size_t state) {
            next_inside.add(state);
            if (character.code == '/') reach(next, state + 1);
        };
        inside.for_each(walk_directories);
        now.for_each([&](std::size_t state) {
            if (state == tokens_.size() || !tokens_[state].accepts(character.code)) return;
            if (tokens_[state].kind == Token::Kind::directories)
                walk_directories(state);
            else if (tokens_[state].kind == Token::Kind::any_name ||
                     tokens_[state].kind == Token::Kind::anything)
                reach(next, state);
            else
                reach(next, state + 1);
        });
        now.swap(next);
        inside.swap(next_inside);
        if (now.empty() && inside.empty()) return false;
    }
    return now.has(tokens_.size());
}

std::string clean_path(std::string_view path) {
    const bool absolute = path.starts_with('/');
    std::vector<std::string_view> names;
    for (const std::string_view name : split_views(path, '/')) {
        if (name.empty() || name == ".") continue;
        if (name != "..") {
            names.push_back(name);
        } else if (!names.empty() && names.back() != "..") {
            names.pop_back();
        } else if (!absolute) {
            names.push_back(name);
        }
    }
    std::string result = absolute ? "/" : "";
    for (const std::string_view name : names) {
        if (!result.empty() && result.back() != '/') result += '/';
        result += name;
    }
    return result.empty() ? "." : result;
}

}  // namespace hull::build::dockerfile
