#include "compose/definitions.hh"

#include "base/error.hh"
#include "base/hash.hh"
#include "compose/hash.hh"
#include "compose/values.hh"

namespace hull::compose {
namespace {

/// Enough of a hash to see a change, and too little of it to find the value by.
std::string fingerprint(const std::string& name, const std::string& content) {
    return "sha256:" + sha256_hex(name + "\n" + content).substr(0, 12);
}

/// Of a secret or a config: where its content comes from, and for content that we copy, which it
/// is.
Node file_definition(const Project& project, const std::string& name, const Node& definition) {
    Node result = Node::mapping();
    if (const Node* file = definition.find("file")) result.set("file", Node::string(file->text));
    if (const Node* content = definition.find("content"))
        result.set("content", Node::string(fingerprint(name, content->text)));
    if (const Node* variable = definition.find("environment")) {
        result.set("environment", Node::string(variable->text));
        const auto value = project.environment.find(variable->text);
        if (value != project.environment.end())
            result.set("content", Node::string(fingerprint(name, value->second.value)));
    }
    return result;
}

void add_section(Node& config, const std::string& name, Node section) {
    if (!section.members.empty()) config.set("top-level " + name, std::move(section));
}

}  // namespace

Node resource_config(const Node& resource) {
    Node config = resource;
    if (!config.is_mapping()) config = Node::mapping();
    config.erase("external");
    std::erase_if(config.members,
                  [](const Member& member) { return member.key.starts_with("x-"); });
    return config;
}

Node full_config(const Project& project, const Node& service) {
    Node config = container_config(service);
    Node networks = Node::mapping(), volumes = Node::mapping();
    for (const Member& member : service["networks"].members) {
        const Node& network = project.root["networks"][member.key];
        networks.set(member.key,
                     network["external"].is_true() ? Node::mapping() : resource_config(network));
    }
    // What else a volume is decides about the volume, not about its containers.
    for (const Node& mount : service["volumes"].items)
        if (const std::string& source = mount["source"].text;
            mount["type"].text == "volume" && !source.empty())
            volumes.set(source, project.root["volumes"][source]["name"]);
    add_section(config, "networks", std::move(networks));
    add_section(config, "volumes", std::move(volumes));
    for (const char* section : {"secrets", "configs"}) {
        Node files = Node::mapping();
        for (const Node& item : service[section].items) {
            const std::string& source = item["source"].text;
            files.set(source, file_definition(project, source, project.root[section][source]));
        }
        add_section(config, section, std::move(files));
    }
    return config;
}

std::string changes_since(const std::string& label, const Node& now) {
    if (label.empty()) return "";
    try {
        const Node before = from_json(json::parse(label));
        Node comparable = now;
        // A section that was not recorded then has nothing to be compared with.
        std::erase_if(comparable.members, [&](const Member& member) {
            return member.key.starts_with("top-level ") && !before.find(member.key);
        });
        return join_words(differences(before, comparable), ", ");
    } catch (const Error&) {
        return "the configuration it was made with cannot be read";
    }
}

}  // namespace hull::compose
