#include "probe/status_line.hh"

namespace hull::probe {

std::optional<int> find_status(std::string_view answer) {
    constexpr std::string_view protocol = "HTTP/1.";
    constexpr std::size_t code_at = protocol.size() + 2, code_end = code_at + 3;
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    if (answer.size() < code_end || !answer.starts_with(protocol) ||
        !is_digit(answer[protocol.size()]) || answer[code_at - 1] != ' ')
        return std::nullopt;
    int code = 0;
    for (const char c : answer.substr(code_at, 3)) {
        if (!is_digit(c)) return std::nullopt;
        code = code * 10 + (c - '0');
    }
    if (answer.size() > code_end) {
        const char next = answer[code_end];
        if (next != ' ' && next != '\r' && next != '\n') return std::nullopt;
    }
    if (code < 100) return std::nullopt;
    return code;
}

}  // namespace hull::probe
