#include "compose/node.hh"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <mutex>
#include <set>

namespace hull::compose {

const std::string* file_name(std::string_view name) {
    static std::mutex mutex;
    static std::set<std::string, std::less<>> names;
    const std::lock_guard lock(mutex);
    const auto found = names.find(name);
    return &*(found != names.end() ? found : names.emplace(name).first);
}

std::string to_string(const Place& place) {
    const std::string& file = place.file ? *place.file : *file_name("compose");
    return place.line ? fmt::format("{}:{}:{}", file, place.line, place.column) : file;
}

std::string_view describe(Kind kind) {
    switch (kind) {
        case Kind::null: return "nothing";
        case Kind::boolean: return "a boolean";
        case Kind::integer: return "an integer";
        case Kind::real: return "a number";
        case Kind::string: return "a string";
        case Kind::sequence: return "a list";
        case Kind::mapping: return "a mapping";
    }
    return "a value";
}

Node Node::string(std::string text, const Place& place) {
    Node node;
    node.kind = Kind::string;
    node.text = std::move(text);
    node.place = place;
    return node;
}
Node Node::number(std::int64_t value, const Place& place) {
    Node node;
    node.kind = Kind::integer;
    node.integer = value;
    node.text = std::to_string(value);
    node.place = place;
    return node;
}
Node Node::flag(bool value, const Place& place) {
    Node node;
    node.kind = Kind::boolean;
    node.boolean = value;
    node.text = value ? "true" : "false";
    node.place = place;
    return node;
}
Node Node::sequence(const Place& place) {
    Node node;
    node.kind = Kind::sequence;
    node.place = place;
    return node;
}
Node Node::mapping(const Place& place) {
    Node node;
    node.kind = Kind::mapping;
    node.place = place;
    return node;
}

const Node* Node::find(std::string_view key) const {
    for (const Member& member : members)
        if (member.key == key) return &member.value;
    return nullptr;
}
Node* Node::find(std::string_view key) {
    return const_cast<Node*>(static_cast<const Node*>(this)->find(key));
}
const Node& Node::operator[](std::string_view key) const {
    static const Node none;
    const Node* found = find(key);
    return found ? *found : none;
}
Node& Node::get(std::string_view key, const Place& at) {
    if (Node* found = find(key)) return *found;
    kind = Kind::mapping;
    Node value;
    value.place = at;
    members.push_back({std::string(key), at, std::move(value)});
    return members.back().value;
}
Node& Node::set(std::string_view key, Node value) {
    const Place at = value.place;
    return get(key, at) = std::move(value);
}
bool Node::erase(std::string_view key) {
    const auto found = std::find_if(members.begin(), members.end(),
                                    [&](const Member& member) { return member.key == key; });
    if (found == members.end()) return false;
    members.erase(found);
    return true;
}

std::string format_real(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    char buffer[64];
    const double size = std::fabs(value);
    const bool exponent = size != 0 && (size < 1e-4 || size >= 1e21);
    const auto format = exponent ? std::chars_format::scientific : std::chars_format::fixed;
    const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value, format);
    return {buffer, end};
}

std::string Node::to_text() const {
    switch (kind) {
        case Kind::boolean: return boolean ? "true" : "false";
        case Kind::integer: return std::to_string(integer);
        case Kind::real: return format_real(real);
        case Kind::string: return text;
        default: return "";
    }
}

std::vector<std::string> Node::to_texts() const {
    std::vector<std::string> texts;
    if (is_sequence())
        for (const Node& item : items) texts.push_back(item.to_text());
    else if (!is_null() && !is_mapping())
        texts.push_back(to_text());
    return texts;
}

json::Value to_json(const Node& node) {
    switch (node.kind) {
        case Kind::null: return nullptr;
        case Kind::boolean: return node.boolean;
        case Kind::integer: return node.integer;
        case Kind::real: return node.real;
        case Kind::string: return node.text;
        case Kind::sequence: {
            json::Array array;
            for (const Node& item : node.items) array.push_back(to_json(item));
            return array;
        }
        case Kind::mapping: {
            json::Object object;
            for (const Member& member : node.members)
                object.append(member.key, to_json(member.value));
            return object;
        }
    }
    return nullptr;
}

json::Value to_sorted_json(const Node& node) {
    if (node.is_sequence()) {
        json::Array array;
        for (const Node& item : node.items) array.push_back(to_sorted_json(item));
        return array;
    }
    if (!node.is_mapping()) return to_json(node);
    std::vector<const Member*> sorted;
    for (const Member& member : node.members) sorted.push_back(&member);
    std::sort(sorted.begin(), sorted.end(),
              [](const Member* a, const Member* b) { return a->key < b->key; });
    json::Object object;
    for (const Member* member : sorted) object.append(member->key, to_sorted_json(member->value));
    return object;
}

Node from_json(const json::Value& value) {
    if (value.is_null()) return {};
    if (value.is_bool()) return Node::flag(value.as_bool());
    if (value.is_string()) return Node::string(value.as_string());
    if (value.is_array()) {
        Node node = Node::sequence();
        for (const json::Value& item : value.as_array()) node.items.push_back(from_json(item));
        return node;
    }
    if (value.is_object()) {
        Node node = Node::mapping();
        for (const auto& [key, item] : value.as_object())
            node.members.push_back({key, {}, from_json(item)});
        return node;
    }
    Node node;
    node.real = value.as_double();
    if (node.real == std::floor(node.real) && std::fabs(node.real) < 9e15)
        return Node::number(static_cast<std::int64_t>(node.real));
    node.kind = Kind::real;
    return node;
}

bool same_value(const Node& a, const Node& b) {
    if (a.kind != b.kind) return false;
    switch (a.kind) {
        case Kind::null: return true;
        case Kind::boolean: return a.boolean == b.boolean;
        case Kind::integer: return a.integer == b.integer;
        case Kind::real: return a.real == b.real;
        case Kind::string: return a.text == b.text;
        case Kind::sequence:
            return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(),
                              same_value);
        case Kind::mapping:
            if (a.members.size() != b.members.size()) return false;
            for (const Member& member : a.members) {
                const Node* other = b.find(member.key);
                if (!other || !same_value(member.value, *other)) return false;
            }
            return true;
    }
    return false;
}

}  // namespace hull::compose
