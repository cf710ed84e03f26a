#include "base/utf8.hh"

namespace hull {

std::size_t utf8_length(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) -> unsigned {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
    };
    const unsigned lead = byte(at);
    const auto continues = [&](std::size_t i) { return (byte(at + i) & 0xc0) == 0x80; };
    if (lead < 0x80) return 1;
    if (lead >= 0xc2 && lead <= 0xdf && continues(1)) return 2;
    if (lead >= 0xe0 && lead <= 0xef && continues(1) && continues(2)) {
        if (lead == 0xe0 && byte(at + 1) < 0xa0) return 0;
        if (lead == 0xed && byte(at + 1) > 0x9f) return 0;
        return 3;
    }
    if (lead >= 0xf0 && lead <= 0xf4 && continues(1) && continues(2) && continues(3)) {
        if (lead == 0xf0 && byte(at + 1) < 0x90) return 0;
        if (lead == 0xf4 && byte(at + 1) > 0x8f) return 0;
        return 4;
    }
    return 0;
}

void append_utf8(std::string& text, char32_t code_point) {
    const auto put = [&](char32_t value) { text += static_cast<char>(value); };
    const auto continuation = [&](int shift) { put(0x80 | (code_point >> shift & 0x3f)); };
    if (code_point < 0x80) {
        put(code_point);
    } else if (code_point < 0x800) {
        put(0xc0 | code_point >> 6);
        continuation(0);
    } else if (code_point < 0x10000) {
        put(0xe0 | code_point >> 12);
        continuation(6);
        continuation(0);
    } else {
        put(0xf0 | code_point >> 18);
        continuation(12);
        continuation(6);
        continuation(0);
    }
}

}  // namespace hull
