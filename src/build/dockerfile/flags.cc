#include "build/dockerfile/flags.hh"

#include "base/text.hh"
#include "build/dockerfile/source.hh"

#include <fmt/core.h>

namespace hull::build::dockerfile {
namespace {

std::string hint_for(const std::string& name, const FlagNames& known) {
    std::vector<std::string> names;
    std::string list;
    for (const auto& [candidate, kind] : known) {
        names.push_back(candidate);
        list += (list.empty() ? "--" : ", --") + candidate;
    }
    const std::string match = nearest(name, names);
    if (!match.empty()) return "did you mean --" + match + "?";
    return list.empty() ? "it takes no flags" : "it takes " + list;
}

}  // namespace

Flags::Flags(const std::vector<std::string>& words, const FlagNames& known) {
    for (const std::string& word : words) {
        const std::size_t equals = word.find('=');
        const bool has_value = equals != std::string::npos;
        const std::string flag = word.substr(0, equals), name = flag.substr(2);
        std::string value = has_value ? word.substr(equals + 1) : "";
        const auto fail = [&](std::string message, std::string hint = "") {
            throw FlagError{std::move(message), std::move(hint), flag};
        };

        const auto entry = known.find(name);
        if (entry == known.end()) fail("unknown flag: " + flag, hint_for(name, known));
        if (entry->second != FlagKind::texts && values_.contains(name))
            fail("duplicate flag specified: " + flag);
        if (entry->second == FlagKind::boolean) {
            if (has_value && value.empty()) fail("missing a value on flag: " + flag);
            const std::string given = value;
            value = has_value ? lower(value) : "true";
            if (value != "true" && value != "false")
                fail(fmt::format("expecting boolean value for flag {}, not: {}", flag, given));
        } else if (!has_value) {
            fail("missing a value on flag: " + flag, "write " + flag + "=VALUE");
        }
        values_[name].push_back(std::move(value));
    }
}

std::string Flags::text(const std::string& name) const {
    const auto entry = values_.find(name);
    return entry == values_.end() ? "" : entry->second.back();
}

std::vector<std::string> Flags::texts(const std::string& name) const {
    const auto entry = values_.find(name);
    return entry == values_.end() ? std::vector<std::string>{} : entry->second;
}

std::optional<bool> Flags::boolean(const std::string& name) const {
    const auto entry = values_.find(name);
    if (entry == values_.end()) return std::nullopt;
    return entry->second.back() == "true";
}

}  // namespace hull::build::dockerfile
