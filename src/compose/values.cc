#include "compose/values.hh"

#include "base/text.hh"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <utility>

namespace hull::compose {

std::optional<double> parse_number(std::string_view text) {
    if (text.starts_with('+')) text.remove_prefix(1);
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
    return value;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
    if (text.starts_with('+')) text.remove_prefix(1);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
    return value;
}

std::optional<std::int64_t> parse_size(std::string_view text) {
    std::size_t digits = 0;
    while (digits < text.size() &&
           (std::isdigit(static_cast<unsigned char>(text[digits])) || text[digits] == '.'))
        ++digits;
    if (text == "-1") return -1;
    const std::optional<double> number = parse_number(text.substr(0, digits));
    if (!number || *number < 0) return {};
    std::string unit = lower(trim(text.substr(digits)));
    double factor = 1;
    if (!unit.empty() && unit != "b") {
        const std::size_t power = std::string_view("kmgtp").find(unit[0]);
        if (power == std::string_view::npos) return {};
        unit.erase(0, 1);
        if (!unit.empty() && unit != "b" && unit != "ib") return {};
        factor = std::pow(1024.0, static_cast<double>(power + 1));
    }
    const double bytes = *number * factor;
    if (bytes >= 9.2e18) return {};
    return static_cast<std::int64_t>(bytes);
}

std::optional<std::int64_t> parse_duration(std::string_view text) {
    struct Unit {
        std::string_view name;
        double ns;
    };
    static constexpr Unit units[] = {{"ns", 1},     {"us", 1e3},    {"µs", 1e3},
                                     {"ms", 1e6},   {"s", 1e9},     {"m", 60e9},
                                     {"h", 3600e9}, {"d", 86400e9}, {"w", 604800e9}};
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    if (text == "0") return 0;
    if (text.empty()) return {};
    double total = 0;
    while (!text.empty()) {
        std::size_t digits = 0;
        while (digits < text.size() &&
               (std::isdigit(static_cast<unsigned char>(text[digits])) || text[digits] == '.'))
            ++digits;
        const std::optional<double> number = parse_number(text.substr(0, digits));
        if (!number) return {};
        text.remove_prefix(digits);
        std::size_t size = 0;
        while (size < text.size() && !std::isdigit(static_cast<unsigned char>(text[size])) &&
               text[size] != '.')
            ++size;
        const Unit* found = nullptr;
        for (const Unit& unit : units)
            if (unit.name == text.substr(0, size)) found = &unit;
        if (!found) return {};
        total += *number * found->ns;
        text.remove_prefix(size);
    }
    if (total >= 9.2e18) return {};
    const auto ns = static_cast<std::int64_t>(std::llround(total));
    return negative ? -ns : ns;
}

std::string format_duration(std::int64_t ns) {
    if (ns == 0) return "0s";
    std::string result = ns < 0 ? "-" : "";
    const std::uint64_t size =
        ns < 0 ? 0 - static_cast<std::uint64_t>(ns) : static_cast<std::uint64_t>(ns);
    const auto with_fraction = [](std::uint64_t value, std::uint64_t unit, std::string_view name) {
        std::string text = std::to_string(value / unit);
        if (value % unit) {
            std::string fraction = std::to_string(unit + value % unit).substr(1);
            fraction.erase(fraction.find_last_not_of('0') + 1);
            text += "." + fraction;
        }
        return text + std::string(name);
    };
    if (size < 1000) return result + with_fraction(size, 1, "ns");
    if (size < 1000000) return result + with_fraction(size, 1000, "µs");
    if (size < 1000000000) return result + with_fraction(size, 1000000, "ms");
    const std::uint64_t seconds = size / 1000000000;
    if (seconds >= 3600) result += std::to_string(seconds / 3600) + "h";
    if (seconds >= 60) result += std::to_string(seconds / 60 % 60) + "m";
    return result + with_fraction(size % 60000000000ULL, 1000000000, "s");
}

std::optional<bool> parse_boolean(std::string_view text) {
    const std::string word = lower(text);
    for (std::string_view yes : {"true", "t", "1", "yes", "y", "on"})
        if (word == yes) return true;
    for (std::string_view no : {"false", "f", "0", "no", "n", "off"})
        if (word == no) return false;
    return {};
}

std::optional<std::vector<std::string>> split_command(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    bool in_word = false;
    char quote = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char letter = text[at];
        if (quote == '\'') {
            if (letter == '\'')
                quote = 0;
            else
                word += letter;
        } else if (letter == '\\' && at + 1 < text.size()) {
            const char next = text[at + 1];
            in_word = true;
            if (quote == '"' && next != '"' && next != '\\' && next != '$' && next != '`') {
                word += letter;
                continue;
            }
            ++at;
            if (next != '\n') word += next;
        } else if (quote == '"') {
            if (letter == '"')
                quote = 0;
            else
                word += letter;
        } else if (letter == '\'' || letter == '"') {
            quote = letter;
            in_word = true;
        } else if (letter == ' ' || letter == '\t' || letter == '\n' || letter == '\r') {
            if (in_word) words.push_back(std::exchange(word, ""));
            in_word = false;
        } else {
            word += letter;
            in_word = true;
        }
    }
    if (quote) return {};
    if (in_word) words.push_back(std::move(word));
    return words;
}

std::string clean_path(std::string_view path) {
    const bool absolute = path.starts_with('/');
    std::vector<std::string> parts;
    for (std::string& part : split_nonempty(path, '/')) {
        if (part == ".") continue;
        if (part == ".." && !parts.empty() && parts.back() != "..")
            parts.pop_back();
        else if (part != ".." || !absolute)
            parts.push_back(std::move(part));
    }
    std::string result = absolute ? "/" : "";
    for (const std::string& part : parts)
        result += (result.empty() || result == "/" ? "" : "/") + part;
    return result.empty() ? "." : result;
}

std::string resolve_path(std::string_view directory, std::string_view path) {
    if (path == "~" || path.starts_with("~/")) {
        if (const char* home = std::getenv("HOME"))
            return clean_path(std::string(home) + std::string(path.substr(1)));
    }
    if (path.starts_with('/')) return clean_path(path);
    return clean_path(fmt::format("{}/{}", directory, path));
}

std::string parent_directory(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string_view::npos) return ".";
    return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

std::string nearest(std::string_view word, const std::vector<std::string_view>& words) {
    std::string_view best;
    std::size_t distance = std::min<std::size_t>(4, word.size() / 2 + 1);
    for (const std::string_view other : words) {
        std::vector<std::size_t> row(other.size() + 1);
        for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
        for (std::size_t i = 1; i <= word.size(); ++i) {
            std::size_t diagonal = std::exchange(row[0], i);
            for (std::size_t j = 1; j <= other.size(); ++j) {
                const std::size_t changed = diagonal + (word[i - 1] == other[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
            }
        }
        if (row.back() < distance) {
            distance = row.back();
            best = other;
        }
    }
    return std::string(best);
}

std::string join_words(const std::vector<std::string>& words, std::string_view separator) {
    std::string text;
    for (const std::string& word : words)
        text += (text.empty() ? "" : std::string(separator)) + word;
    return text;
}

}  // namespace hull::compose
