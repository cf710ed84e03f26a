#include "compose/interpolate.hh"

#include "base/error.hh"

#include <cctype>

namespace hull::compose {
namespace {

constexpr int max_nesting = 50;

bool starts_name(char letter) {
    return letter == '_' || std::isalpha(static_cast<unsigned char>(letter));
}
bool continues_name(char letter) {
    return letter == '_' || std::isalnum(static_cast<unsigned char>(letter));
}

/// One pass over one text.
class Expander {
public:
    Expander(const Environment& environment, Interpolation& seen, std::vector<std::string>* put_in)
        : environment_(environment), seen_(seen), put_in_(put_in) {}

    std::string expand(std::string_view text, int depth) {
        if (depth > max_nesting)
            throw Error(ErrorKind::invalid_argument, "variables nested deeper than {} levels",
                        max_nesting);
        std::string result;
        for (std::size_t at = 0; at < text.size();) {
            if (text[at] != '$') {
                result += text[at++];
                continue;
            }
            const std::string_view rest = text.substr(at + 1);
            if (rest.starts_with('$')) {
                result += '$';
                at += 2;
            } else if (rest.starts_with('{')) {
                const std::size_t end = find_end(rest);
                if (end == std::string_view::npos) invalid(text.substr(at));
                result += braced(rest.substr(1, end - 1), text.substr(at, end + 2), depth);
                at += end + 2;
            } else if (!rest.empty() && starts_name(rest[0])) {
                const std::string_view name = name_of(rest);
                result += plain(name, depth);
                at += 1 + name.size();
            } else {
                invalid(text.substr(at));
            }
        }
        return result;
    }

private:
    [[noreturn]] static void invalid(std::string_view part) {
        throw Error(ErrorKind::invalid_argument,
                    "invalid interpolation format: \"{}\" (write $$ for a literal $)",
                    part.substr(0, 60));
    }

    static std::string_view name_of(std::string_view text) {
        std::size_t size = 0;
        while (size < text.size() && continues_name(text[size])) ++size;
        return text.substr(0, size);
    }

    /// The closing brace that belongs to the one `text` begins with.
    static std::size_t find_end(std::string_view text) {
        int open = 0;
        for (std::size_t at = 0; at < text.size(); ++at) {
            if (text[at] == '{' && (at == 0 || text[at - 1] == '$')) ++open;
            if (text[at] == '}' && --open == 0) return at;
        }
        return std::string_view::npos;
    }

    const Variable* find(std::string_view name) {
        const auto found = environment_.find(name);
        return found == environment_.end() ? nullptr : &found->second;
    }

    void note(std::string_view name, const Variable& variable) {
        if (put_in_)
            put_in_->push_back(fmt::format("{}={} ({})", name, variable.value, variable.source));
    }

    std::string plain(std::string_view name, int) {
        seen_.uses.try_emplace(std::string(name));
        if (const Variable* variable = find(name)) {
            note(name, *variable);
            return variable->value;
        }
        seen_.unset.emplace(name, "");
        if (put_in_) put_in_->push_back(fmt::format("{} is not set", name));
        return "";
    }

    std::string braced(std::string_view inner, std::string_view whole, int depth) {
        if (inner.empty() || !starts_name(inner[0])) invalid(whole);
        const std::string_view name = name_of(inner);
        std::string_view rest = inner.substr(name.size());
        if (rest.empty()) return plain(name, depth);
        const bool empty_counts = rest.starts_with(':');  // as unset
        if (empty_counts) rest.remove_prefix(1);
        if (rest.empty()) invalid(whole);
        const char form = rest[0];
        const std::string_view word = rest.substr(1);
        if (form != '-' && form != '?' && form != '+') invalid(whole);
        const Variable* variable = find(name);
        const bool is_set = variable && !(empty_counts && variable->value.empty());
        VariableUse& use = seen_.uses[std::string(name)];
        if (form == '-') use.default_value = word;
        if (form == '+') use.alternate_value = word;
        if (form == '?') use.required = true;
        if (form == '+') {
            if (!is_set) return "";
            note(name, *variable);
            return expand(word, depth + 1);
        }
        if (is_set) {
            note(name, *variable);
            return variable->value;
        }
        const std::string value = expand(word, depth + 1);
        if (form == '?')
            throw Error(ErrorKind::invalid_argument, "required variable {} is missing a value{}{}",
                        name, value.empty() ? "" : ": ", value);
        if (put_in_) put_in_->push_back(fmt::format("{}={} (default)", name, value));
        return value;
    }

    const Environment& environment_;
    Interpolation& seen_;
    std::vector<std::string>* put_in_;
};

void walk(Node& node, const std::string& path, const Environment& environment,
          Interpolation& seen) {
    for (Member& member : node.members)
        walk(member.value, path.empty() ? member.key : path + "." + member.key, environment, seen);
    for (std::size_t i = 0; i < node.items.size(); ++i)
        walk(node.items[i], fmt::format("{}[{}]", path, i), environment, seen);
    if (!node.is_string() || node.text.find('$') == std::string::npos) return;
    const std::size_t known = seen.unset.size();
    node.text = with_context(
        [&] { return interpolate_text(node.text, environment, seen, &node.variables); }, "{}: {}",
        to_string(node.place), path);
    if (seen.unset.size() != known)
        for (auto& [name, where] : seen.unset)
            if (where.empty()) where = to_string(node.place);
}

}  // namespace

std::string interpolate_text(std::string_view text, const Environment& environment,
                             Interpolation& seen, std::vector<std::string>* put_in) {
    return Expander(environment, seen, put_in).expand(text, 0);
}

void interpolate(Node& root, const Environment& environment, Interpolation& seen) {
    walk(root, "", environment, seen);
}

}  // namespace hull::compose
