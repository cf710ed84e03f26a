#include "registry/rights.hh"

#include "base/error.hh"
#include "base/text.hh"

#include <algorithm>

namespace hull::registry {

std::string_view to_string(Right right) {
    switch (right) {
        case Right::pull: return "pull";
        case Right::push: return "push";
        case Right::remove: return "delete";
    }
    return "";
}

std::optional<Right> find_right(std::string_view name) {
    for (const Right right : {Right::pull, Right::push, Right::remove})
        if (name == to_string(right)) return right;
    return std::nullopt;
}

bool matches_pattern(std::string_view pattern, std::string_view name) {
    // The last star that was met, to come back to when what follows does not fit: linear enough
    // for any pattern, as only the last one of its kind must be tried again.
    struct Retry {
        std::size_t pattern = std::string_view::npos, name = 0;
    };
    Retry single, twofold;
    std::size_t p = 0, n = 0;
    while (n < name.size() || p < pattern.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            const bool is_twofold = pattern.substr(p).starts_with("**");
            p += is_twofold ? 2 : 1;
            (is_twofold ? twofold : single) = {p, n};
            if (is_twofold) single = {};
            continue;
        }
        if (p < pattern.size() && n < name.size() && pattern[p] == name[n]) {
            p++, n++;
            continue;
        }
        if (single.pattern != std::string_view::npos && single.name < name.size() &&
            name[single.name] != '/') {
            p = single.pattern, n = ++single.name;
            continue;
        }
        if (twofold.pattern == std::string_view::npos || twofold.name >= name.size()) return false;
        single = {};
        p = twofold.pattern, n = ++twofold.name;
    }
    return true;
}

Rights Rights::everything(bool for_all) {
    Rights rights;
    rights.rules_.push_back({for_all ? "*" : "@users", "**", true, true, true});
    return rights;
}

Rights Rights::parse(std::string_view text) {
    Rights rights;
    int number = 0;
    for (const std::string_view raw : split_views(text, '\n')) {
        number++;
        std::string line(raw.substr(0, raw.find('#')));
        std::ranges::replace(line, '\t', ' ');
        std::ranges::replace(line, '\r', ' ');
        const std::vector<std::string> words = split_nonempty(line, ' ');
        if (words.empty()) continue;
        if (words.size() != 3)
            throw Error(ErrorKind::invalid_argument,
                        "rights line {}: not WHO PATTERN RIGHTS, such as `alice team/** pull,push`",
                        number);
        Rule rule{.who = words[0], .pattern = words[1]};
        for (const std::string& name : split(words[2], ',')) {
            const auto right = find_right(name);
            if (!right && name != "all")
                throw Error(ErrorKind::invalid_argument,
                            "rights line {}: \"{}\" is none of pull, push, delete and all", number,
                            name);
            rule.pull = rule.pull || !right || right == Right::pull;
            rule.push = rule.push || !right || right == Right::push;
            rule.remove = rule.remove || !right || right == Right::remove;
        }
        rights.rules_.push_back(std::move(rule));
    }
    return rights;
}

bool Rights::allow(std::string_view user, std::string_view repository, Right right) const {
    return std::ranges::any_of(rules_, [&](const Rule& rule) {
        const bool is_for_user =
            rule.who == "*" || (!user.empty() && (rule.who == "@users" || rule.who == user));
        const bool has_right = right == Right::pull   ? rule.pull
                               : right == Right::push ? rule.push
                                                      : rule.remove;
        return is_for_user && has_right && matches_pattern(rule.pattern, repository);
    });
}

}  // namespace hull::registry
