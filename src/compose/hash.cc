#include "compose/hash.hh"

#include "compose/normalise.hh"

#include <algorithm>

namespace hull::compose {
namespace {

/// Nothing, false, "" and empty lists and mappings say what leaving the key out says.
bool is_nothing(const Node& node) {
    switch (node.kind) {
        case Kind::null: return true;
        case Kind::sequence: return node.items.empty();
        case Kind::mapping: return node.members.empty();
        default: return false;
    }
}

std::string shown(const Node& node) {
    std::string text = node.is_scalar() ? node.to_text() : json::dump(to_json(node));
    if (node.is_null()) return "none";
    // The ends of long values differ more often than their beginnings.
    if (text.size() > 60) text = text.substr(0, 25) + "..." + text.substr(text.size() - 32);
    return text;
}

void compare(const Node& before, const Node& after, const std::string& path,
             std::vector<std::string>& result) {
    if (same_value(before, after)) return;
    if (before.is_mapping() && after.is_mapping()) {
        const std::string prefix = path.empty() ? "" : path + ".";
        for (const Member& member : before.members)
            compare(member.value, after[member.key], prefix + member.key, result);
        for (const Member& member : after.members)
            if (!before.find(member.key)) compare({}, member.value, prefix + member.key, result);
        return;
    }
    if (before.is_sequence() && after.is_sequence() && before.items.size() == after.items.size()) {
        for (std::size_t i = 0; i < before.items.size(); ++i)
            compare(before.items[i], after.items[i], path + "[" + std::to_string(i) + "]", result);
        return;
    }
    if (is_nothing(before) && is_nothing(after)) return;
    result.push_back(path + ": " + shown(before) + "→" + shown(after));
}

void escape_dollars(Node& node) {
    if (node.is_string()) {
        std::string text;
        for (const char letter : node.text) text += letter == '$' ? "$$" : std::string(1, letter);
        node.text = std::move(text);
    }
    for (Node& item : node.items) escape_dollars(item);
    for (Member& member : node.members) escape_dollars(member.value);
}

}  // namespace

Node container_config(const Node& service) {
    Node config = service;
    for (const char* key : {"build", "pull_policy", "pull_refresh_after", "scale", "depends_on",
                            "profiles", "develop", "attach", "extends", "env_file", "label_file",
                            "post_start", "pre_stop", "provider"})
        config.erase(key);
    if (Node* deploy = config.find("deploy"))
        for (const char* key : {"replicas", "update_config", "rollback_config", "mode"})
            deploy->erase(key);
    std::erase_if(config.members, [](const Member& member) {
        return is_nothing(member.value) || member.key.starts_with("x-");
    });
    return config;
}

std::vector<std::string> differences(const Node& before, const Node& after) {
    std::vector<std::string> result;
    compare(before, after, "", result);
    return result;
}

std::string image_of(const Project& project, const std::string& service) {
    const Node& node = project.get_service(service);
    if (const Node* image = node.find("image"); image && !image->text.empty()) return image->text;
    return project.name + "-" + service;
}

void prepare_for_output(Node& root, bool complete, bool escape) {
    if (Node* services = root.find("services"); services && complete)
        for (Member& member : services->members)
            for (const char* key : {"command", "entrypoint"}) member.value.get(key);
    if (escape) escape_dollars(root);
    order_members(root, file_schema());
    // The name comes first; nothing is printed of sections without anything in them.
    std::erase_if(root.members, [](const Member& member) {
        return member.key != "services" && is_nothing(member.value);
    });
}

}  // namespace hull::compose
