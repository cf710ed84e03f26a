#include "build/dockerfile/text.hh"

#include "base/text.hh"

#include <fmt/core.h>

#include <algorithm>

namespace hull::build::dockerfile {
namespace {

constexpr char32_t replacement = 0xFFFD;

/// Bytes the lead byte announces, 1 for what is no lead byte.
std::size_t announced_size(unsigned char lead) {
    if (lead >= 0xC2 && lead <= 0xDF) return 2;
    if (lead >= 0xE0 && lead <= 0xEF) return 3;
    if (lead >= 0xF0 && lead <= 0xF4) return 4;
    return 1;
}

bool is_overlong_or_surrogate(char32_t code, std::size_t size) {
    if (size == 3) return code < 0x800 || (code >= 0xD800 && code <= 0xDFFF);
    return size == 4 && (code < 0x10000 || code > 0x10FFFF);
}

}  // namespace

Character decode(std::string_view text, std::size_t at) {
    if (at >= text.size()) return {};
    const auto lead = static_cast<unsigned char>(text[at]);
    if (lead < 0x80) return {lead, 1};
    const std::size_t size = announced_size(lead);
    if (size == 1 || at + size > text.size()) return {replacement, 1};
    char32_t code = lead & (0xFFU >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
        const auto byte = static_cast<unsigned char>(text[at + i]);
        if ((byte & 0xC0) != 0x80) return {replacement, 1};
        code = code << 6 | (byte & 0x3FU);
    }
    if (is_overlong_or_surrogate(code, size)) return {replacement, 1};
    return {code, size};
}

bool is_space(char32_t code) {
    switch (code) {
        case ' ':
        case '\t':
        case '\n':
        case '\v':
        case '\f':
        case '\r':
        case 0x85:
        case 0xA0:
        case 0x1680:
        case 0x2028:
        case 0x2029:
        case 0x202F:
        case 0x205F:
        case 0x3000: return true;
        default: return code >= 0x2000 && code <= 0x200A;
    }
}

bool is_letter(char32_t code) {
    if (code < 0x80) return (code | 0x20U) >= 'a' && (code | 0x20U) <= 'z';
    // Beyond ASCII, whole blocks: letters of any script, without the blocks of punctuation, symbols
    // and pictures. What matters is where a variable's name ends.
    const bool latin_symbol = code < 0xC0 || code == 0xD7 || code == 0xF7;
    const bool symbol = (code >= 0x2000 && code <= 0x2BFF) || (code >= 0x3000 && code <= 0x303F) ||
                        (code >= 0xFE00 && code <= 0xFE6F) || (code >= 0xFF00 && code <= 0xFF20) ||
                        (code >= 0x1F000 && code <= 0x1FAFF) || code >= 0xE0000;
    return !latin_symbol && !symbol && code != replacement && !is_space(code);
}

std::size_t count_characters(std::string_view text) {
    std::size_t count = 0;
    for (std::size_t at = 0; at < text.size(); at += decode(text, at).size) ++count;
    return count;
}

std::string_view trim_left_space(std::string_view text) {
    std::size_t at = 0;
    while (at < text.size()) {
        const Character character = decode(text, at);
        if (!is_space(character.code)) break;
        at += character.size;
    }
    return text.substr(at);
}

std::string_view trim_space(std::string_view text) {
    text = trim_left_space(text);
    std::size_t end = 0;
    for (std::size_t at = 0; at < text.size();) {
        const Character character = decode(text, at);
        at += character.size;
        if (!is_space(character.code)) end = at;
    }
    return text.substr(0, end);
}

std::string upper(std::string_view text) {
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(), [](char c) {
        return static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    });
    return result;
}

bool equal_fold(std::string_view left, std::string_view right) {
    return lower(left) == lower(right);
}

std::string quote(std::string_view text) {
    std::string result = "\"";
    for (std::size_t at = 0; at < text.size();) {
        const Character character = decode(text, at);
        const std::string_view bytes = text.substr(at, character.size);
        at += character.size;
        switch (character.code) {
            case '"': result += "\\\""; break;
            case '\\': result += "\\\\"; break;
            case '\a': result += "\\a"; break;
            case '\b': result += "\\b"; break;
            case '\f': result += "\\f"; break;
            case '\n': result += "\\n"; break;
            case '\r': result += "\\r"; break;
            case '\t': result += "\\t"; break;
            case '\v': result += "\\v"; break;
            default:
                if (character.code < 0x20 || character.code == 0x7F ||
                    (character.code == replacement && character.size == 1))
                    result += fmt::format("\\x{:02x}", static_cast<unsigned char>(bytes[0]));
                else
                    result += bytes;
        }
    }
    return result + "\"";
}

}  // namespace hull::build::dockerfile
