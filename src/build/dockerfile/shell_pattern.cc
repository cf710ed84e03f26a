#include "build/dockerfile/shell_pattern.hh"

#include "base/error.hh"
#include "build/dockerfile/text.hh"

#include <algorithm>

namespace hull::build::dockerfile {
namespace {

constexpr std::size_t no_match = static_cast<std::size_t>(-1);
/// Matching takes the square of the value's length at worst; nobody means to wait for that.
constexpr std::size_t most_work = 200'000'000;

/// Where each character of `text` starts, and the end.
std::vector<std::size_t> character_offsets(std::string_view text) {
    std::vector<std::size_t> offsets;
    for (std::size_t at = 0; at < text.size(); at += decode(text, at).size) offsets.push_back(at);
    offsets.push_back(text.size());
    return offsets;
}

std::vector<char32_t> characters(std::string_view text) {
    std::vector<char32_t> result;
    for (std::size_t at = 0; at < text.size(); at += decode(text, at).size)
        result.push_back(decode(text, at).code);
    return result;
}

}  // namespace

ShellPattern::ShellPattern(std::string_view pattern) {
    for (std::size_t at = 0; at < pattern.size();) {
        const Character character = decode(pattern, at);
        at += character.size;
        if (character.code == '*') {
            tokens_.push_back({Token::Kind::any_string, 0});
        } else if (character.code == '?') {
            tokens_.push_back({Token::Kind::any_character, 0});
        } else if (character.code == '\\') {
            const Character escaped = decode(pattern, at);
            // '}' and '/' are escaped for the sake of ${…}: they are not part of the pattern's
            // syntax.
            if (escaped.code == 0 ||
                std::u32string_view(U"*?\\}/").find(escaped.code) == std::u32string_view::npos)
                throw Error(ErrorKind::invalid_argument,
                            "invalid pattern ({}) in substitution: invalid escape '\\{}'", pattern,
                            pattern.substr(at, escaped.size));
            at += escaped.size;
            tokens_.push_back({Token::Kind::character, escaped.code});
        } else {
            tokens_.push_back({Token::Kind::character, character.code});
        }
    }
}

/// The end of the shortest or longest match that starts at `start`: all ends are followed at once.
std::size_t ShellPattern::match(const std::vector<Token>& tokens, const Text& text,
                                std::size_t start, bool longest, std::size_t& work) {
    // states[i]: the first i tokens match what was read so far
    std::vector<char> states(tokens.size() + 1, 0), next(tokens.size() + 1, 0);
    const auto skip_stars = [&](std::vector<char>& set) {
        for (std::size_t i = 0; i < tokens.size(); ++i)
            if (set[i] != 0 && tokens[i].kind == Token::Kind::any_string) set[i + 1] = 1;
    };
    states[0] = 1;
    skip_stars(states);
    std::size_t end = no_match;
    for (std::size_t at = start;; ++at) {
        if (states[tokens.size()] != 0) end = at;
        if (end != no_match && !longest) return end;
        if (at == text.size() || std::count(states.begin(), states.end(), 1) == 0) return end;
        work += tokens.size() + 1;
        if (work > most_work)
            throw Error(ErrorKind::invalid_argument, "pattern in substitution is too expensive");
        std::fill(next.begin(), next.end(), 0);
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            if (states[i] == 0) continue;
            if (tokens[i].kind == Token::Kind::character) {
                if (tokens[i].code == text[at]) next[i + 1] = 1;
            } else if (text[at] != '\n') {
                next[tokens[i].kind == Token::Kind::any_string ? i : i + 1] = 1;
            }
        }
        skip_stars(next);
        states.swap(next);
    }
}

std::string ShellPattern::without_prefix(std::string_view value, bool longest) const {
    std::size_t work = 0;
    const std::size_t end = match(tokens_, characters(value), 0, longest, work);
    if (end == no_match) return std::string(value);
    return std::string(value.substr(character_offsets(value)[end]));
}

std::string ShellPattern::without_suffix(std::string_view value, bool longest) const {
    std::vector<Token> tokens(tokens_.rbegin(), tokens_.rend());
    Text text = characters(value);
    std::reverse(text.begin(), text.end());
    std::size_t work = 0;
    const std::size_t length = match(tokens, text, 0, longest, work);
    if (length == no_match) return std::string(value);
    return std::string(value.substr(0, character_offsets(value)[text.size() - length]));
}

std::string ShellPattern::replace(std::string_view value, std::string_view replacement,
                                  bool all) const {
    const Text text = characters(value);
    const std::vector<std::size_t> offsets = character_offsets(value);
    const auto part = [&](std::size_t from, std::size_t to) {
        return value.substr(offsets[from], offsets[to] - offsets[from]);
    };
    std::string result;
    std::size_t copied = 0, work = 0;
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t end = match(tokens_, text, at, true, work);
        if (end == no_match) {
            ++at;
            continue;
        }
        // An empty match right behind another match does not count.
        if (end > copied || at == 0) {
            result += part(copied, at);
            result += replacement;
            copied = end;
        }
        if (!all) break;
        at = std::max(end, at + 1);
    }
    result += part(copied, text.size());
    return result;
}

}  // namespace hull::build::dockerfile
