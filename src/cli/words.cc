#include "cli/words.hh"

#include <arpa/inet.h>

namespace hull::cli {

std::pair<std::string_view, std::optional<std::string_view>> cut(std::string_view text,
                                                                 char separator) {
    const std::size_t at = text.find(separator);
    if (at == std::string_view::npos) return {text, std::nullopt};
    return {text.substr(0, at), text.substr(at + 1)};
}

std::vector<std::string> split_csv(std::string_view text) {
    std::vector<std::string> fields;
    std::size_t at = 0;
    for (;;) {
        std::string field;
        if (at < text.size() && text[at] == '"') {
            ++at;
            for (;; ++at) {
                if (at >= text.size())
                    fail(
                        "parse error on line 1, column {}: extraneous or missing \" in "
                        "quoted-field",
                        at + 1);
                if (text[at] != '"') {
                    field += text[at];
                } else if (at + 1 < text.size() && text[at + 1] == '"') {
                    field += '"';
                    ++at;
                } else {
                    ++at;
                    break;
                }
            }
            if (at < text.size() && text[at] != ',')
                fail("parse error on line 1, column {}: extraneous or missing \" in quoted-field",
                     at);
        } else {
            while (at < text.size() && text[at] != ',') {
                if (text[at] == '"')
                    fail("parse error on line 1, column {}: bare \" in non-quoted-field", at + 1);
                field += text[at++];
            }
        }
        fields.push_back(std::move(field));
        if (at >= text.size()) return fields;
        ++at;
    }
}

std::string join_text(const std::vector<std::string>& parts, std::string_view separator) {
    std::string text;
    for (const std::string& part : parts) {
        if (!text.empty()) text += separator;
        text += part;
    }
    return text;
}

bool natural_less(std::string_view a, std::string_view b) {
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    const auto number_end = [&](std::string_view text) {
        std::size_t end = 0;
        while (end < text.size() && is_digit(text[end])) ++end;
        return end;
    };
    while (!a.empty() && !b.empty()) {
        if (!is_digit(a[0]) || !is_digit(b[0])) {
            if (a[0] != b[0]) return a[0] < b[0];
            a.remove_prefix(1);
            b.remove_prefix(1);
            continue;
        }
        std::string_view left = a.substr(0, number_end(a)), right = b.substr(0, number_end(b));
        a.remove_prefix(left.size());
        b.remove_prefix(right.size());
        const std::size_t zeros = left.size(), other_zeros = right.size();
        while (left.size() > 1 && left[0] == '0') left.remove_prefix(1);
        while (right.size() > 1 && right[0] == '0') right.remove_prefix(1);
        if (left.size() != right.size()) return left.size() < right.size();
        if (left != right) return left < right;
        if (zeros != other_zeros) return zeros < other_zeros;
    }
    return a.empty() && !b.empty();
}

bool is_ip(std::string_view text) {
    unsigned char address[16];
    const std::string copy(text);
    return ::inet_pton(AF_INET, copy.c_str(), address) == 1 ||
           ::inet_pton(AF_INET6, copy.c_str(), address) == 1;
}

}  // namespace hull::cli
