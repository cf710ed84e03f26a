#include "engine/signals.hh"

#include "base/error.hh"

#include <charconv>
#include <csignal>
#include <cstring>

namespace hull::engine {

namespace {

// glibc reserves 32 and 33 for itself; containers count from 34, as Docker's table does.
constexpr int first_realtime = 34;
constexpr int last_realtime = 64;

std::optional<int> parse_number(std::string_view text) {
    int number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

std::string upper_case(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return result;
}

std::optional<int> find_realtime(std::string_view name) {
    struct {
        std::string_view prefix;
        int base, sign;
    } const forms[] = {{"RTMIN+", first_realtime, 1}, {"RTMAX-", last_realtime, -1}};
    for (const auto& [prefix, base, sign] : forms) {
        if (!name.starts_with(prefix)) continue;
        auto offset = parse_number(name.substr(prefix.size()));
        if (!offset || *offset < 0 || *offset > last_realtime - first_realtime) return std::nullopt;
        return base + sign * *offset;
    }
    if (name == "RTMIN") return first_realtime;
    if (name == "RTMAX") return last_realtime;
    return std::nullopt;
}

}  // namespace

std::optional<int> find_signal(std::string_view text) {
    if (auto number = parse_number(text)) {
        if (*number < 1 || *number > last_realtime) return std::nullopt;
        return number;
    }
    std::string name = upper_case(text);
    if (name.starts_with("SIG")) name.erase(0, 3);
    if (name.empty()) return std::nullopt;
    for (int number = 1; number < 32; ++number) {
        const char* abbreviation = ::sigabbrev_np(number);
        if (abbreviation && name == abbreviation) return number;
    }
    if (name == "CLD") return SIGCHLD;
    if (name == "IOT") return SIGABRT;
    if (name == "POLL" || name == "IO") return SIGIO;
    return find_realtime(name);
}

int parse_signal(std::string_view text) {
    if (auto number = find_signal(text)) return *number;
    throw Error(ErrorKind::invalid_argument, "Invalid signal: {}", text);
}

}  // namespace hull::engine
