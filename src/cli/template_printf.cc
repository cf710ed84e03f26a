#include "cli/template.hh"
#include "cli/template_functions.hh"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace hull::cli {

using json::Value;

namespace {

/// UTF-8; what is no character becomes U+FFFD.
std::string encode_rune(std::int64_t code) {
    if (code < 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) code = 0xfffd;
    const auto byte = [](std::int64_t bits) { return static_cast<char>(bits); };
    if (code < 0x80) return {byte(code)};
    if (code < 0x800) return {byte(0xc0 | code >> 6), byte(0x80 | (code & 0x3f))};
    if (code < 0x10000)
        return {byte(0xe0 | code >> 12), byte(0x80 | (code >> 6 & 0x3f)),
                byte(0x80 | (code & 0x3f))};
    return {byte(0xf0 | code >> 18), byte(0x80 | (code >> 12 & 0x3f)),
            byte(0x80 | (code >> 6 & 0x3f)), byte(0x80 | (code & 0x3f))};
}

std::string format_verb(char verb, const Value& value, const std::string& name, bool precise,
                        std::size_t precision, bool plus, bool sharp) {
    const bool integer = type_of(value) == "int";
    switch (verb) {
        case 'v': return print_go(value, name);
        case 's':
            if (value.is_number() || value.is_bool()) break;
            return precise ? print_go(value).substr(0, precision) : print_go(value);
        case 'q':
            if (value.is_string()) return quote_go(value.as_string());
            break;
        case 'd':
            if (integer)
                return fmt::format("{}{}", plus && value.as_int() >= 0 ? "+" : "", value.as_int());
            break;
        case 'x':
        case 'X':
            if (integer)
                return verb == 'x' ? fmt::format("{}{:x}", sharp ? "0x" : "", value.as_int())
                                   : fmt::format("{}{:X}", sharp ? "0X" : "", value.as_int());
            if (value.is_string()) {
                std::string hex;
                for (unsigned char c : value.as_string()) hex += fmt::format("{:02x}", c);
                return hex;
            }
            break;
        case 'o':
            if (integer) return fmt::format("{}{:o}", sharp ? "0" : "", value.as_int());
            break;
        case 'b':
            if (integer) return fmt::format("{:b}", value.as_int());
            break;
        case 'U':
            if (integer) return fmt::format("U+{:04X}", value.as_int());
            break;
        case 'c':
            if (integer) return encode_rune(value.as_int());
            break;
        case 't':
            if (value.is_bool()) return value.as_bool() ? "true" : "false";
            break;
        case 'T': return std::string(type_of(value));
        case 'f':
        case 'e':
        case 'g':
            if (value.is_number() && !integer)
                return verb == 'f'
                           ? fmt::format("{:.{}f}", value.as_double(), precise ? precision : 6)
                       : verb == 'e'
                           ? fmt::format("{:.{}e}", value.as_double(), precise ? precision : 6)
                           : print_number(value);
            break;
        default: break;
    }
    return fmt::format("%!{}({}={})", verb, type_of(value), print_go(value));
}

/// One % directive: flags, width, precision, verb; `[n]` and `*` as in Go.
class Formatter {
public:
    Formatter(std::string_view pattern, std::span<const Operand> operands)
        : pattern_(pattern), operands_(operands) {}

    std::string run() {
        while (at_ < pattern_.size()) {
            if (pattern_[at_] == '%') {
                ++at_;
                add_directive();
            } else {
                result_ += pattern_[at_++];
            }
        }
        if (!reordered_ && next_ < operands_.size()) add_extra();
        return std::move(result_);
    }

private:
    bool more() const { return at_ < pattern_.size(); }
    bool at_digit() const {
        return more() && std::isdigit(static_cast<unsigned char>(pattern_[at_]));
    }

    std::size_t read_number() {
        constexpr std::size_t largest = 4096;
        std::size_t number = 0;
        for (; at_digit(); ++at_)
            number = std::min(number * 10 + static_cast<std::size_t>(pattern_[at_] - '0'), largest);
        return number;
    }

    /// `[n]`: the next operand is the n-th.
    void read_index() {
        if (!more() || pattern_[at_] != '[') return;
        const std::size_t start = at_++;
        const std::size_t index = read_number();
        if (more() && pattern_[at_] == ']' && index >= 1) {
            ++at_;
            next_ = index - 1;
            reordered_ = true;
        } else {
            at_ = start;
        }
    }

    std::size_t read_count() {
        if (!more() || pattern_[at_] != '*' || next_ >= operands_.size()) return read_number();
        ++at_;
        const Value& given = *operands_[next_++].value;
        const bool fits = given.is_number() && given.as_double() > 0 && given.as_double() < 4096;
        return fits ? static_cast<std::size_t>(given.as_double()) : 0;
    }

    void add_directive() {
        bool left = false, zero = false, plus = false, sharp = false, precise = false;
        for (; more() && std::string_view("-0+# ").find(pattern_[at_]) != std::string_view::npos;
             ++at_) {
            left |= pattern_[at_] == '-';
            zero |= pattern_[at_] == '0';
            plus |= pattern_[at_] == '+';
            sharp |= pattern_[at_] == '#';
        }
        read_index();
        const std::size_t width = read_count();
        std::size_t precision = 0;
        if (more() && pattern_[at_] == '.') {
            ++at_;
            precise = true;
            read_index();
            precision = read_count();
        }
        read_index();
        if (!more()) {
            result_ += "%!(NOVERB)";
            return;
        }
        const char verb = pattern_[at_++];
        if (verb == '%') {
            result_ += '%';
            return;
        }
        if (next_ >= operands_.size()) {
            result_ += reordered_ ? fmt::format("%!{}(BADINDEX)", verb)
                                  : fmt::format("%!{}(MISSING)", verb);
            return;
        }
        const Operand& operand = operands_[next_++];
        add_padded(format_verb(verb, *operand.value, operand.name, precise, precision, plus, sharp),
                   width, left, zero, operand.value->is_number());
    }

    void add_padded(const std::string& text, std::size_t width, bool left, bool zero, bool number) {
        std::size_t runes = 0;
        for (std::size_t i = 0; i < text.size(); i = next_rune(text, i)) ++runes;
        const std::size_t padding = width > runes ? width - runes : 0;
        if (left)
            result_ += text + std::string(padding, ' ');
        else if (zero && number && text.starts_with('-'))
            result_ += "-" + std::string(padding, '0') + text.substr(1);
        else
            result_ += std::string(padding, zero ? '0' : ' ') + text;
    }

    void add_extra() {
        result_ += "%!(EXTRA ";
        for (std::size_t i = next_; i < operands_.size(); ++i)
            result_ += fmt::format("{}{}={}", i > next_ ? ", " : "", type_of(*operands_[i].value),
                                   print_go(*operands_[i].value));
        result_ += ")";
    }

    std::string_view pattern_;
    std::span<const Operand> operands_;
    std::size_t at_ = 0, next_ = 0;
    bool reordered_ = false;
    std::string result_;
};

}  // namespace

std::string format_printf(std::string_view pattern, std::span<const Operand> operands) {
    return Formatter(pattern, operands).run();
}

}  // namespace hull::cli
