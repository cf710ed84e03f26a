#include "compose/schema.hh"

#include "base/text.hh"
#include "compose/values.hh"

#include <algorithm>

namespace hull::compose {
namespace {

std::string child(const std::string& path, std::string_view name) {
    return path.empty() ? std::string(name) : path + "." + std::string(name);
}

std::string_view wanted(Shape shape) {
    switch (shape) {
        case Shape::string:
        case Shape::path: return "a string";
        case Shape::text:
        case Shape::value: return "a string, number or boolean";
        case Shape::boolean: return "a boolean";
        case Shape::integer: return "an integer";
        case Shape::number: return "a number";
        case Shape::size: return "a size like 512m";
        case Shape::duration: return "a duration like 1m30s";
        case Shape::list: return "a list";
        case Shape::map:
        case Shape::object: return "a mapping";
        case Shape::dictionary: return "a mapping or a list of KEY=VALUE";
        default: return "a value";
    }
}

void become(Node& node, Node value) {
    value.place = node.place;
    value.tag = node.tag;
    value.variables = std::move(node.variables);
    node = std::move(value);
}

}  // namespace

const Schema* find_field(const Schema& schema, std::string_view name) {
    for (const Field& field : schema.fields)
        if (field.name == name) return field.schema;
    return nullptr;
}

void Conformer::complain_text(const Place& place, std::string text) {
    problems.push_back(to_string(place) + ": " + std::move(text));
}

std::string Conformer::resolve(const std::string& path) const {
    return resolve_paths && !path.empty() ? resolve_path(directory, path) : path;
}

void Conformer::conform(Node& node, const Schema& schema, const std::string& path) {
    if (node.tag == Tag::reset) return;  // what it removes is not looked at
    if (schema.lengthen) schema.lengthen(node, path, *this);
    if (node.is_null() &&
        (schema.nullable || schema.shape == Shape::any || schema.shape == Shape::value))
        return;
    switch (schema.shape) {
        case Shape::any: break;
        case Shape::list:
            if (!node.is_sequence()) {
                complain(node.place, "{} must be a list, not {}", path, describe(node.kind));
                return;
            }
            for (std::size_t i = 0; i < node.items.size(); ++i)
                conform(node.items[i], *schema.item, fmt::format("{}[{}]", path, i));
            break;
        case Shape::map:
            if (!node.is_mapping()) {
                complain(node.place, "{} must be a mapping, not {}", path, describe(node.kind));
                return;
            }
            for (Member& member : node.members)
                conform(member.value, *schema.item, child(path, member.key));
            break;
        case Shape::dictionary: conform_dictionary(node, schema, path); break;
        case Shape::object: conform_object(node, schema, path); break;
        default: conform_scalar(node, schema, path);
    }
    if (schema.finish && (schema.shape != Shape::object || node.is_mapping()))
        schema.finish(node, path, *this);
}

void Conformer::conform_dictionary(Node& node, const Schema& schema, const std::string& path) {
    if (node.is_sequence()) {
        Node map = Node::mapping();
        for (Node& item : node.items) {
            if (!item.is_string() && !item.is_null()) {
                complain(item.place, "{} must be a list of KEY=VALUE, not of {}", path,
                         describe(item.kind));
                return;
            }
            const std::size_t equal = item.text.find('=');
            const std::string key = item.text.substr(0, equal);
            if (key.empty()) {
                complain(item.place, "{}: \"{}\" has no name before the =", path, item.text);
                continue;
            }
            Node value;
            if (equal != std::string::npos) value = Node::string(item.text.substr(equal + 1));
            value.place = item.place;
            value.variables = item.variables;
            map.set(key, std::move(value));
        }
        become(node, std::move(map));
    }
    if (!node.is_mapping()) {
        complain(node.place, "{} must be {}, not {}", path, wanted(Shape::dictionary),
                 describe(node.kind));
        return;
    }
    for (Member& member : node.members)
        conform(member.value, *schema.item, child(path, member.key));
}

void Conformer::conform_object(Node& node, const Schema& schema, const std::string& path) {
    if (!node.is_mapping()) {
        complain(node.place, "{} must be a mapping, not {}", path.empty() ? "the file" : path,
                 describe(node.kind));
        return;
    }
    for (Member& member : node.members) {
        if (const Schema* field = find_field(schema, member.key)) {
            conform(member.value, *field, child(path, member.key));
            continue;
        }
        if (member.key.starts_with("x-")) continue;
        std::vector<std::string_view> names;
        for (const Field& field : schema.fields) names.push_back(field.name);
        const std::string near = nearest(member.key, names);
        complain(member.place, "{}Additional property {} is not allowed{}",
                 path.empty() ? "" : path + " ", member.key,
                 near.empty() ? "" : fmt::format(" (did you mean {}?)", near));
    }
    for (const Field& field : schema.fields)
        if (field.required && !node.find(field.name))
            complain(node.place, "{}: {} is required", path, field.name);
}

void Conformer::conform_scalar(Node& node, const Schema& schema, const std::string& path) {
    const auto refuse = [&] {
        complain(node.place, "{} must be {}, not {}", path, wanted(schema.shape),
                 node.is_string() ? fmt::format("\"{}\"", node.text.substr(0, 60))
                                  : std::string(describe(node.kind)));
    };
    if (!node.is_scalar() || node.is_null()) {
        if (node.is_null() && schema.shape == Shape::text) {
            become(node, Node::string(""));
            return;
        }
        return refuse();
    }
    switch (schema.shape) {
        case Shape::string:
        case Shape::path:
            if (!node.is_string()) return refuse();
            if (schema.shape == Shape::path) node.text = resolve(node.text);
            break;
        case Shape::text:
        case Shape::value:
            if (!node.is_string()) become(node, Node::string(node.to_text()));
            break;
        case Shape::boolean:
            if (node.kind == Kind::boolean) break;
            if (const auto value = parse_boolean(node.text); value && node.is_string())
                become(node, Node::flag(*value));
            else
                return refuse();
            break;
        case Shape::integer:
            if (node.kind == Kind::integer) break;
            if (node.kind == Kind::real &&
                node.real == static_cast<double>(static_cast<std::int64_t>(node.real)))
                become(node, Node::number(static_cast<std::int64_t>(node.real)));
            else if (const auto value = parse_integer(node.text); value && node.is_string())
                become(node, Node::number(*value));
            else
                return refuse();
            break;
        case Shape::number:
            if (node.kind == Kind::integer || node.kind == Kind::real) break;
            if (const auto value = parse_number(node.text); value && node.is_string()) {
                Node number;
                number.kind = Kind::real;
                number.real = *value;
                become(node, std::move(number));
            } else {
                return refuse();
            }
            break;
        case Shape::size: {
            if (node.kind == Kind::boolean) return refuse();
            const auto value =
                parse_size(node.kind == Kind::real ? format_real(node.real) : node.to_text());
            if (!value) return refuse();
            become(node, Node::string(std::to_string(*value)));
            break;
        }
        case Shape::duration: {
            const auto value = node.is_string() ? parse_duration(node.text) : std::nullopt;
            if (!value) return refuse();
            node.text = format_duration(*value);
            break;
        }
        default: break;
    }
    if (schema.allowed.empty()) return;
    const std::vector<std::string_view> words = split_views(schema.allowed, '|');
    const std::string given = node.to_text();
    if (std::find(words.begin(), words.end(), given) != words.end()) return;
    const std::string near = nearest(given, words);
    complain(node.place, "{} must be one of {}, not \"{}\"{}", path,
             join_words(std::vector<std::string>(words.begin(), words.end()), ", "), given,
             near.empty() ? "" : fmt::format(" (did you mean {}?)", near));
}

}  // namespace hull::compose
