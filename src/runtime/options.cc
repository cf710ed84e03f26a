#include "runtime/options.hh"

#include "base/error.hh"

namespace hull::runtime {
namespace {

const Flag* find_flag(std::span<const Flag> flags, std::string_view name) {
    for (const Flag& flag : flags)
        if (name == flag.name || (!flag.short_name.empty() && name == flag.short_name))
            return &flag;
    return nullptr;
}

}  // namespace

Options Options::parse(std::span<const Flag> flags, std::span<const std::string> words,
                       bool stop_at_positional) {
    Options result;
    for (std::size_t i = 0; i < words.size(); i++) {
        std::string_view word = words[i];
        bool is_flag = word.size() > 1 && word[0] == '-' && word != "--";
        if (!is_flag) {
            if (word == "--") i++;
            if (word == "--" || stop_at_positional) {
                result.positional_.insert(result.positional_.end(),
                                          words.begin() + static_cast<std::ptrdiff_t>(i),
                                          words.end());
                break;
            }
            result.positional_.push_back(words[i]);
            continue;
        }
        std::string_view name = word.substr(word.starts_with("--") ? 2 : 1);
        std::size_t equals = name.find('=');
        const Flag* flag = find_flag(flags, name.substr(0, equals));
        if (!flag)
            throw Error(ErrorKind::invalid_argument, "flag provided but not defined: {}", word);
        if (equals != std::string_view::npos) {
            result.values_.emplace_back(flag->name, name.substr(equals + 1));
        } else if (!flag->takes_value) {
            result.values_.emplace_back(flag->name, "true");
        } else {
            if (++i == words.size())
                throw Error(ErrorKind::invalid_argument, "flag needs an argument: {}", word);
            result.values_.emplace_back(flag->name, words[i]);
        }
    }
    return result;
}

bool Options::has(std::string_view name) const {
    auto value = find(name);
    return value && *value != "false";
}

std::optional<std::string> Options::find(std::string_view name) const {
    for (auto at = values_.rbegin(); at != values_.rend(); ++at)
        if (at->first == name) return at->second;
    return std::nullopt;
}

std::string Options::get(std::string_view name, std::string_view otherwise) const {
    return find(name).value_or(std::string(otherwise));
}

std::vector<std::string> Options::all(std::string_view name) const {
    std::vector<std::string> result;
    for (const auto& [key, value] : values_)
        if (key == name) result.push_back(value);
    return result;
}

const std::string& Options::positional(std::size_t index, std::string_view what) const {
    if (index >= positional_.size())
        throw Error(ErrorKind::invalid_argument, "{} is missing", what);
    return positional_[index];
}

}  // namespace hull::runtime
