#include "compose/explain.hh"

#include "base/error.hh"
#include "base/text.hh"
#include "compose/values.hh"

namespace hull::compose {
namespace {

/// "ports[0]" as its two parts; index -1 when there is none.
std::pair<std::string, int> split_index(const std::string& part) {
    const std::size_t open = part.find('[');
    if (open == std::string::npos || !part.ends_with(']')) return {part, -1};
    const auto index =
        parse_integer(std::string_view(part).substr(open + 1, part.size() - open - 2));
    return {part.substr(0, open), index ? static_cast<int>(*index) : -1};
}

const Node& step(const Node& node, const std::string& name, const std::string& key) {
    if (const Node* found = node.find(name)) return *found;
    std::vector<std::string_view> names;
    for (const Member& member : node.members) names.push_back(member.key);
    const std::string near = nearest(name, names);
    throw Error(ErrorKind::not_found, "{}: there is no {}{}", key, name,
                near.empty() ? "" : fmt::format(" (did you mean {}?)", near));
}

void describe(const Node& node, const std::string& path, std::string& text) {
    if (!node.is_scalar()) {
        for (const Member& member : node.members)
            describe(member.value, path + "." + member.key, text);
        for (std::size_t i = 0; i < node.items.size(); ++i)
            describe(node.items[i], fmt::format("{}[{}]", path, i), text);
        return;
    }
    std::string origin = node.place.file ? to_string(node.place) : "default";
    for (const std::string& variable : node.variables) origin += ", " + variable;
    text += fmt::format("{}: {}  {}\n", path, node.is_null() ? "null" : node.to_text(), origin);
}

}  // namespace

std::string explain(const Project& project, const std::string& key) {
    const Node* node = &project.root;
    std::vector<std::string> parts = split_nonempty(key, '.');
    if (!parts.empty() && !project.root.find(split_index(parts[0]).first) &&
        project.services().find(parts[0]))
        parts.insert(parts.begin(), "services");  // "web.image" is short for it
    std::string path;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        // A key may contain dots: the longest one that exists.
        std::string name = parts[i];
        for (std::size_t end = parts.size(); end > i + 1; --end) {
            std::vector<std::string> joined(parts.begin() + static_cast<std::ptrdiff_t>(i),
                                            parts.begin() + static_cast<std::ptrdiff_t>(end));
            if (!node->find(join_words(joined, "."))) continue;
            name = join_words(joined, ".");
            i = end - 1;
            break;
        }
        const auto [field, index] =
            node->find(name) ? std::pair<std::string, int>{name, -1} : split_index(name);
        node = &step(*node, field, key);
        path += (path.empty() ? "" : ".") + name;
        if (index < 0) continue;
        if (static_cast<std::size_t>(index) >= node->items.size())
            throw Error(ErrorKind::not_found, "{}: {} has {} items", key, field,
                        node->items.size());
        node = &node->items[static_cast<std::size_t>(index)];
    }
    std::string text;
    describe(*node, path, text);
    return text;
}

}  // namespace hull::compose
