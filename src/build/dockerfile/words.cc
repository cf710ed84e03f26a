#include "build/dockerfile/words.hh"

#include "base/json.hh"
#include "build/dockerfile/text.hh"

#include <algorithm>
#include <charconv>

namespace hull::build::dockerfile {
namespace {

constexpr std::string_view blanks = "\t\v\f\r ";

/// Reads flags off the front of an instruction's arguments.
class FlagReader {
public:
    explicit FlagReader(std::string_view text) : text_(text) {}

    std::vector<std::string> read() {
        std::vector<std::string> flags;
        for (;;) {
            text_ = trim_left_space(text_);
            if (!text_.starts_with("--")) return flags;
            std::string word = read_word();
            if (word == "--") return flags;
            flags.push_back(std::move(word));
        }
    }
    std::string_view rest() const { return text_; }

private:
    /// A flag goes on to the next blank outside of quotes. The escape is always the backslash here,
    /// whatever the directive says: Docker's is.
    std::string read_word() {
        std::string word;
        char quote = 0;
        std::size_t at = 0;
        for (; at < text_.size(); ++at) {
            const char c = text_[at];
            if (quote == 0 && is_space(static_cast<unsigned char>(c))) break;
            if (quote == 0 && (c == '\'' || c == '"')) {
                quote = c;
            } else if (quote != 0 && c == quote) {
                quote = 0;
            } else if (c == '\\') {
                if (at + 1 < text_.size()) word += text_[++at];
            } else {
                word += c;
            }
        }
        text_.remove_prefix(at);
        return word;
    }

    std::string_view text_;
};

}  // namespace

CommandParts split_command(std::string_view line) {
    line = trim_space(line);
    const std::size_t end = std::min(line.find_first_of(blanks), line.size());
    FlagReader reader(line.substr(end));
    CommandParts parts;
    parts.keyword = line.substr(0, end);
    parts.flags = reader.read();
    parts.rest = trim_space(reader.rest());
    return parts;
}

std::vector<std::string> split_blanks(std::string_view text) {
    std::vector<std::string> words;
    while (!text.empty()) {
        const std::size_t start = text.find_first_not_of(blanks);
        if (start == std::string_view::npos) break;
        text.remove_prefix(start);
        const std::size_t end = std::min(text.find_first_of(blanks), text.size());
        words.emplace_back(text.substr(0, end));
        text.remove_prefix(end);
    }
    return words;
}

std::vector<std::string> split_words(std::string_view text, char escape) {
    std::vector<std::string> words;
    std::string word;
    bool in_word = false;
    char quote = 0;
    for (std::size_t at = 0; at < text.size();) {
        const Character character = decode(text, at);
        const std::string_view bytes = text.substr(at, character.size);
        at += character.size;
        if (quote == 0 && is_space(character.code)) {
            if (in_word) words.push_back(std::exchange(word, {}));
            in_word = false;
            continue;
        }
        if (bytes[0] == escape && quote != '\'') {
            if (at == text.size()) {  // an escape at the very end escapes nothing and goes
                quote = 0;
                continue;
            }
            const Character escaped = decode(text, at);
            word += bytes;
            word += text.substr(at, escaped.size);
            at += escaped.size;
            in_word = true;
            continue;
        }
        if (quote == 0 && (bytes == "'" || bytes == "\""))
            quote = bytes[0];
        else if (quote != 0 && bytes[0] == quote)
            quote = 0;
        word += bytes;
        in_word = true;
    }
    if (in_word) words.push_back(std::move(word));
    return words;
}

std::optional<std::vector<std::string>> parse_json_strings(std::string_view text) {
    text = trim_left_space(text);
    if (!text.starts_with('[')) return std::nullopt;
    json::Value value;
    try {
        value = json::parse(text);
    } catch (const Error&) {
        return std::nullopt;
    }
    std::vector<std::string> strings;
    for (const json::Value& element : value.as_array()) {
        if (!element.is_string())
            throw Error(ErrorKind::invalid_argument,
                        "when using JSON array syntax, arrays must be comprised of strings only");
        strings.push_back(element.as_string());
    }
    return strings;
}

std::vector<std::string> parse_csv_line(std::string_view text) {
    std::vector<std::string> fields;
    for (;;) {
        std::string field;
        if (text.starts_with('"')) {
            text.remove_prefix(1);
            for (;;) {
                const std::size_t end = text.find('"');
                if (end == std::string_view::npos)
                    throw Error(ErrorKind::invalid_argument,
                                "extraneous or missing \" in quoted-field");
                field += text.substr(0, end);
                text.remove_prefix(end + 1);
                if (!text.starts_with('"')) break;
                field += '"';
                text.remove_prefix(1);
            }
            if (!text.empty() && text[0] != ',')
                throw Error(ErrorKind::invalid_argument,
                            "extraneous or missing \" in quoted-field");
        } else {
            const std::size_t end = std::min(text.find(','), text.size());
            field = text.substr(0, end);
            if (field.find('"') != std::string::npos)
                throw Error(ErrorKind::invalid_argument, "bare \" in non-quoted-field");
            text.remove_prefix(end);
        }
        fields.push_back(std::move(field));
        if (text.empty()) return fields;
        text.remove_prefix(1);
    }
}

std::int64_t parse_go_duration(std::string_view text) {
    const auto invalid = [&] {
        return Error(ErrorKind::invalid_argument, "time: invalid duration {}", quote(text));
    };
    std::string_view rest = text;
    const bool negative = rest.starts_with('-');
    if (negative || rest.starts_with('+')) rest.remove_prefix(1);
    if (rest == "0") return 0;
    if (rest.empty()) throw invalid();
    constexpr std::pair<std::string_view, double> units[] = {
        {"ns", 1},   {"us", 1e3}, {"\xc2\xb5s", 1e3}, {"\xce\xbcs", 1e3},
        {"ms", 1e6}, {"s", 1e9},  {"m", 60e9},        {"h", 3600e9}};
    long double total = 0;
    while (!rest.empty()) {
        const std::size_t digits = std::min(rest.find_first_not_of("0123456789."), rest.size());
        const std::string_view number = rest.substr(0, digits);
        if (number.empty() || number == "." || std::count(number.begin(), number.end(), '.') > 1)
            throw invalid();
        rest.remove_prefix(digits);
        const std::size_t unit_end = std::min(rest.find_first_of("0123456789."), rest.size());
        const std::string_view unit = rest.substr(0, unit_end);
        rest.remove_prefix(unit_end);
        if (unit.empty())
            throw Error(ErrorKind::invalid_argument, "time: missing unit in duration {}",
                        quote(text));
        const auto* known = std::find_if(std::begin(units), std::end(units),
                                         [&](const auto& entry) { return entry.first == unit; });
        if (known == std::end(units))
            throw Error(ErrorKind::invalid_argument, "time: unknown unit {} in duration {}",
                        quote(unit), quote(text));
        total += std::stold("0" + std::string(number)) * known->second;
        if (total > 9.2e18L) throw invalid();
    }
    const auto result = static_cast<std::int64_t>(total);
    return negative ? -result : result;
}

std::int64_t parse_size(std::string_view text) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
    const std::string_view number = text.substr(0, digits);
    std::string unit = upper(trim_space(text.substr(digits)));
    const auto invalid = [&] {
        return Error(ErrorKind::invalid_argument, "invalid size: '{}'", text);
    };
    if (number.empty() || number == "." || std::count(number.begin(), number.end(), '.') > 1)
        throw invalid();
    if (unit.ends_with("IB"))
        unit.erase(unit.size() - 2);
    else if (unit.ends_with("B"))
        unit.erase(unit.size() - 1);
    constexpr std::string_view prefixes = "KMGTP";
    long double factor = 1;
    if (!unit.empty()) {
        const std::size_t power = prefixes.find(unit[0]);
        if (unit.size() != 1 || power == std::string_view::npos) throw invalid();
        for (std::size_t i = 0; i <= power; ++i) factor *= 1024;
    }
    const long double bytes = std::stold("0" + std::string(number)) * factor;
    if (bytes > 9.2e18L) throw invalid();
    return static_cast<std::int64_t>(bytes);
}

std::optional<bool> parse_bool(std::string_view text) {
    for (const std::string_view yes : {"1", "t", "T", "TRUE", "true", "True"})
        if (text == yes) return true;
    for (const std::string_view no : {"0", "f", "F", "FALSE", "false", "False"})
        if (text == no) return false;
    return std::nullopt;
}

std::optional<std::uint64_t> parse_number(std::string_view text, int base, std::uint64_t limit) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() || value > limit)
        return std::nullopt;
    return value;
}

}  // namespace hull::build::dockerfile
