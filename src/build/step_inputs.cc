#include "build/step_inputs.hh"

#include "base/hash.hh"

#include <fmt/core.h>

#include <algorithm>
#include <map>

namespace hull::build {

namespace {

constexpr std::size_t most_shown_bytes = 60;

std::string shorten(std::string text) {
    std::replace(text.begin(), text.end(), '\n', ' ');
    if (text.size() > most_shown_bytes) text = text.substr(0, most_shown_bytes - 1) + "…";
    return text;
}

/// Digests say nothing to people.
bool is_digest(std::string_view text) {
    return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

/// Files are named one by one where their listings are known.
std::string explain_change(const StepInputs& before, const StepInputs& now, const std::string& name,
                           const std::string& old_value, const std::string& new_value) {
    const auto old_files = before.files().find(name), new_files = now.files().find(name);
    if (old_files != before.files().end() && new_files != now.files().end())
        if (std::string text = explain_files(old_files->second, new_files->second); !text.empty())
            return text;
    if (is_digest(new_value)) return name;
    return fmt::format("{} '{}' → '{}'", name, shorten(old_value), shorten(new_value));
}

}  // namespace

std::string StepInputs::key() const {
    Sha256 hash;
    for (const auto& [name, value] : pairs_) {
        hash.update(fmt::format("{}:{}:", name.size(), value.size()));
        hash.update(name);
        hash.update(value);
    }
    return hash.hex();
}

json::Value StepInputs::to_json() const {
    json::Array array;
    for (const auto& [name, value] : pairs_) array.push_back(json::Array{name, value});
    return array;
}

StepInputs StepInputs::parse(const json::Value& value) {
    StepInputs inputs;
    for (const json::Value& pair : value.as_array()) {
        const json::Array& both = pair.as_array();
        if (both.size() == 2) inputs.add(both[0].as_string(), both[1].as_string());
    }
    return inputs;
}

std::string explain_difference(const StepInputs& before, const StepInputs& now) {
    std::map<std::string, std::string> old(before.pairs().begin(), before.pairs().end());
    std::string text;
    const auto say = [&](const std::string& reason) {
        text += (text.empty() ? "" : "; ") + reason;
    };
    for (const auto& [name, value] : now.pairs()) {
        const auto known = old.find(name);
        if (known == old.end())
            say(name + " is new");
        else if (known->second != value)
            say(explain_change(before, now, name, known->second, value));
        if (known != old.end()) old.erase(known);
    }
    for (const auto& [name, value] : old) say(name + " is gone");
    return text;
}

}  // namespace hull::build
