#include "base/error.hh"
#include "base/text.hh"
#include "files/copy.hh"

#include <charconv>

namespace hull::files {

namespace {

constexpr std::uint32_t read_bits = 0444, write_bits = 0222, execute_bits = 0111;

[[noreturn]] void throw_bad_mode(std::string_view change) {
    throw Error(ErrorKind::invalid_argument,
                "invalid chmod parameter: '{}'. it should be octal "
                "string and between 0 and 07777, or like u=rwX,go=rX",
                change);
}

/// The permission bits of the classes in `who`, with the special ones that belong to them.
std::uint32_t mask_of(std::string_view who) {
    std::uint32_t mask = 0;
    for (const char c : who.empty() ? std::string_view("a") : who) {
        if (c == 'u' || c == 'a') mask |= 04700;
        if (c == 'g' || c == 'a') mask |= 02070;
        if (c == 'o' || c == 'a') mask |= 01007;
    }
    return mask;
}

std::uint32_t bits_of(char c, std::uint32_t mode, bool is_directory, std::string_view change) {
    const auto spread = [](std::uint32_t bits) { return bits | bits << 3 | bits << 6; };
    switch (c) {
        case 'r': return read_bits;
        case 'w': return write_bits;
        case 'x': return execute_bits;
        case 'X': return is_directory || (mode & execute_bits) ? execute_bits : 0;
        case 's': return 06000;
        case 't': return 01000;
        case 'u': return spread(mode >> 6 & 7);
        case 'g': return spread(mode >> 3 & 7);
        case 'o': return spread(mode & 7);
        default: throw_bad_mode(change);
    }
}

std::uint32_t apply_clause(std::uint32_t mode, bool is_directory, std::string_view clause,
                           std::string_view change) {
    std::size_t at = clause.find_first_not_of("ugoa");
    if (at == std::string_view::npos) throw_bad_mode(change);
    const std::uint32_t mask = mask_of(clause.substr(0, at));
    while (at < clause.size()) {
        const char operation = clause[at++];
        if (operation != '+' && operation != '-' && operation != '=') throw_bad_mode(change);
        const std::uint32_t before = mode;
        std::uint32_t bits = 0;
        for (; at < clause.size() && std::string_view("+-=").find(clause[at]) == std::string::npos;
             ++at)
            bits |= bits_of(clause[at], before, is_directory, change);
        bits &= mask;
        if (operation == '+') mode |= bits;
        if (operation == '-') mode &= ~bits;
        if (operation == '=') mode = (mode & ~mask) | bits;
    }
    return mode;
}

}  // namespace

std::uint32_t change_mode(std::uint32_t mode, bool is_directory, std::string_view change) {
    std::uint32_t octal = 0;
    const auto [end, error] =
        std::from_chars(change.data(), change.data() + change.size(), octal, 8);
    if (error == std::errc() && end == change.data() + change.size()) {
        if (octal > 07777) throw_bad_mode(change);
        return octal;
    }
    for (const std::string_view clause : split_views(change, ','))
        mode = apply_clause(mode, is_directory, clause, change);
    return mode;
}

}  // namespace hull::files
