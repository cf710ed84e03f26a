#include "compose/merge.hh"

#include <algorithm>

namespace hull::compose {
namespace {

const Schema& item_schema(const Schema& schema) {
    static constexpr Schema anything{};
    return schema.item ? *schema.item : anything;
}

const Schema& member_schema(const Schema& schema, const std::string& key) {
    if (schema.shape == Shape::object) {
        const Schema* field = find_field(schema, key);
        static constexpr Schema anything{};
        return field ? *field : anything;
    }
    return item_schema(schema);
}

void merge_lists(Node& below, Node above, const Schema& schema) {
    for (Node& item : above.items) {
        if (item.tag == Tag::reset) continue;
        Node* same = nullptr;
        for (Node& known : below.items) {
            if (schema.merging == Merging::unique && same_value(known, item)) same = &known;
            if (schema.merging == Merging::by_key && schema.key &&
                schema.key(known) == schema.key(item))
                same = &known;
        }
        if (!same)
            below.items.push_back(std::move(item));
        else if (schema.merging == Merging::by_key)
            merge(*same, std::move(item), item_schema(schema));
    }
}

/// Options of another log driver mean nothing to the new one.
bool is_other_driver(const Node& below, const Node& above) {
    const Node* driver = above.find("driver");
    return driver && below.find("driver") && below.find("options") &&
           !same_value(*driver, below["driver"]);
}

}  // namespace

void merge(Node& below, Node above, const Schema& schema) {
    if (above.tag == Tag::override || schema.merging == Merging::replace || below.is_null()) {
        if (above.tag == Tag::override) above.tag = Tag::none;
        below = std::move(above);
        return;
    }
    if (above.is_null() && !below.is_scalar()) return;
    if (below.is_mapping() && above.is_mapping()) {
        if (find_field(schema, "driver") && find_field(schema, "options") &&
            !find_field(schema, "config") && is_other_driver(below, above))
            below.erase("options");
        for (Member& member : above.members) {
            if (member.value.tag == Tag::reset) {
                below.erase(member.key);
                continue;
            }
            if (Node* known = below.find(member.key))
                merge(*known, std::move(member.value), member_schema(schema, member.key));
            else
                below.members.push_back(std::move(member));
        }
        return;
    }
    if (below.is_sequence() && above.is_sequence()) {
        merge_lists(below, std::move(above), schema);
        return;
    }
    below = std::move(above);
}

void drop_resets(Node& node) {
    std::erase_if(node.members,
                  [](const Member& member) { return member.value.tag == Tag::reset; });
    std::erase_if(node.items, [](const Node& item) { return item.tag == Tag::reset; });
    for (Member& member : node.members) drop_resets(member.value);
    for (Node& item : node.items) drop_resets(item);
}

}  // namespace hull::compose
