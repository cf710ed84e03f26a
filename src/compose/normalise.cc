#include "compose/normalise.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/text.hh"
#include "compose/values.hh"

#include <unistd.h>

#include <algorithm>
#include <set>

namespace hull::compose {
namespace {

bool is_enabled(const Node& service, const std::vector<std::string>& active) {
    const Node* profiles = service.find("profiles");
    if (!profiles || profiles->items.empty()) return true;
    for (const std::string& profile : active) {
        if (profile == "*") return true;
        for (const Node& item : profiles->items)
            if (item.text == profile) return true;
    }
    return false;
}

void set_profiles_aside(Project& project) {
    Node& services = project.root.get("services");
    services.kind = Kind::mapping;
    std::set<std::string> profiles;
    std::vector<Member> enabled;
    project.disabled = Node::mapping();
    for (Member& member : services.members) {
        if (member.key.starts_with("x-")) continue;
        for (const Node& item : member.value["profiles"].items) profiles.insert(item.text);
        (is_enabled(member.value, project.active_profiles) ? enabled : project.disabled.members)
            .push_back(std::move(member));
    }
    services.members = std::move(enabled);
    project.all_profiles.assign(profiles.begin(), profiles.end());
}

void add_dependency(Node& service, const std::string& name, bool restart, const Place& place) {
    Node& depends_on = service.get("depends_on", place);
    depends_on.kind = Kind::mapping;
    if (depends_on.find(name)) return;
    Node entry = Node::mapping(place);
    entry.set("condition", Node::string("service_started", place));
    if (restart) entry.set("restart", Node::flag(true, place));
    entry.set("required", Node::flag(true, place));
    depends_on.set(name, std::move(entry));
}

void add_implied_dependencies(Node& service) {
    for (const char* key : {"network_mode", "ipc", "pid", "uts", "cgroup"})
        if (const Node* mode = service.find(key); mode && mode->text.starts_with("service:")) {
            const std::string name = mode->text.substr(8);
            add_dependency(service, name, true, mode->place);
        }
    const Node links = service["links"], from = service["volumes_from"];
    for (const Node& link : links.items)
        add_dependency(service, link.text.substr(0, link.text.find(':')), true, link.place);
    for (const Node& item : from.items)
        if (!item.text.starts_with("container:"))
            add_dependency(service, item.text.substr(0, item.text.find(':')), false, item.place);
}

void default_networks(Project& project, Node& service) {
    const Node* mode = service.find("network_mode");
    if (mode && !mode->text.empty()) return;
    if (service.find("provider")) return;
    Node& networks = service.get("networks", service.place);
    if (networks.is_null() || networks.members.empty()) {
        networks.kind = Kind::mapping;
        networks.get("default", service.place);
    }
    if (!networks.find("default")) return;
    Node& declared = project.root.get("networks");
    declared.kind = Kind::mapping;
    declared.get("default");
}

void name_resources(Project& project, const char* section) {
    Node* resources = project.root.find(section);
    if (!resources) return;
    for (Member& member : resources->members) {
        if (member.key.starts_with("x-")) continue;
        Node& resource = member.value;
        if (resource.is_null()) {
            const Place place = member.place;
            resource = Node::mapping(place);
        }
        if (const Node* name = resource.find("name"); name && !name->text.empty()) continue;
        const bool external = resource["external"].is_true();
        resource.set("name", Node::string(external ? member.key : project.name + "_" + member.key,
                                          member.place));
    }
}

void default_build(Node& service) {
    Node* build = service.find("build");
    if (!build || !build->is_mapping()) return;
    if (!build->find("context")) build->set("context", Node::string(".", build->place));
    if (!build->find("dockerfile") && !build->find("dockerfile_inline"))
        build->set("dockerfile", Node::string("Dockerfile", build->place));
}

void default_targets(Node& service) {
    if (Node* secrets = service.find("secrets"))
        for (Node& item : secrets->items)
            if (!item.find("target"))
                item.set("target", Node::string("/run/secrets/" + item["source"].text, item.place));
    if (Node* configs = service.find("configs"))
        for (Node& item : configs->items)
            if (!item.find("target"))
                item.set("target", Node::string("/" + item["source"].text, item.place));
}

/// Values of names that were given without one come from the project's environment.
void resolve_values(Node& values, const Project& project) {
    for (Member& member : values.members) {
        if (!member.value.is_null()) continue;
        const auto found = project.environment.find(member.key);
        if (found == project.environment.end()) continue;
        const Place place = member.value.place;
        member.value = Node::string(found->second.value, place);
        member.value.variables = {
            fmt::format("{}={} ({})", member.key, found->second.value, found->second.source)};
    }
}

void read_service_env_files(Node& service, const std::string& name, const Project& project) {
    const Node* files = service.find("env_file");
    if (!files) return;
    Node values = Node::mapping(files->place);
    for (const Node& file : files->items) {
        const std::string& path = file["path"].text;
        const Node* required = file.find("required");
        if (::access(path.c_str(), F_OK) != 0) {
            if (required && !required->is_true()) continue;
            throw Error(ErrorKind::not_found, "{}: services.{}: env file {} not found",
                        to_string(file.place), name, path);
        }
        const std::string text = read_file(path);
        Environment known = project.environment;
        for (const Member& member : values.members)
            if (member.value.is_string())
                known.try_emplace(member.key, Variable{member.value.text, path});
        const std::vector<EnvironmentLine> lines =
            file["format"].text == "raw" ? parse_raw_env_file(text, path)
                                         : parse_env_file(text, path, lookup_in(known));
        for (const EnvironmentLine& line : lines) {
            Node value;
            if (line.value) value = Node::string(*line.value);
            value.place = {file_name(path), 0, 0};
            values.set(line.name, std::move(value));
        }
    }
    if (Node* own = service.find("environment"))
        for (Member& member : own->members) values.set(member.key, std::move(member.value));
    resolve_values(values, project);
    service.erase("env_file");
    service.set("environment", std::move(values));
}

void read_label_files(Node& service) {
    const Node* files = service.find("label_file");
    if (!files) return;
    Node labels = Node::mapping(files->place);
    for (const Node& file : files->items)
        for (const EnvironmentLine& line : parse_env_file(
                 read_file(file.text), file.text, [](std::string_view) { return std::nullopt; }))
            labels.set(line.name,
                       Node::string(line.value.value_or(""), {file_name(file.text), 0, 0}));
    if (Node* own = service.find("labels"))
        for (Member& member : own->members) labels.set(member.key, std::move(member.value));
    service.set("labels", std::move(labels));
}

void resolve_service(Project& project, Member& member, const LoadOptions& options) {
    Node& service = member.value;
    if (service.is_null()) service = Node::mapping(member.place);
    if (options.normalise) {
        default_build(service);
        add_implied_dependencies(service);
        default_networks(project, service);
        default_targets(service);
    }
    if (options.resolve_environment) {
        read_service_env_files(service, member.key, project);
        read_label_files(service);
        if (Node* environment = service.find("environment")) resolve_values(*environment, project);
        if (Node* build = service.find("build"))
            if (Node* arguments = build->find("args")) resolve_values(*arguments, project);
    }
    const Node* scale = service.find("scale");
    const Node& replicas = service["deploy"]["replicas"];
    if (scale && !replicas.is_null() && !same_value(*scale, replicas))
        throw Error(ErrorKind::invalid_argument,
                    "{}: services.{}: can't set distinct values on 'scale' and 'deploy.replicas'",
                    to_string(scale->place), member.key);
}

}  // namespace

void normalise(Project& project, const LoadOptions& options) {
    set_profiles_aside(project);
    project.root.set("name", Node::string(project.name));
    for (Member& member : project.root.find("services")->members)
        resolve_service(project, member, options);
    for (Member& member : project.disabled.members) resolve_service(project, member, options);
    if (options.normalise)
        for (const char* section : {"networks", "volumes", "secrets", "configs"})
            name_resources(project, section);
    if (options.check_consistency) check_consistency(project);
    if (options.normalise && !options.all_resources) drop_unused(project);
}

void enable_services(Project& project, const std::vector<std::string>& names) {
    Node& services = *project.root.find("services");
    for (const std::string& name : names) {
        const Node* disabled = project.disabled.find(name);
        if (!disabled) continue;
        services.members.push_back({name, disabled->place, *disabled});
        project.disabled.erase(name);
        // What it depends on has to be enabled by itself; its own profiles count as active now.
        std::vector<std::string> profiles = services.members.back().value["profiles"].to_texts();
        std::vector<std::string> more;
        for (const Member& member : project.disabled.members)
            if (is_enabled(member.value, profiles)) {
                const std::vector<std::string> wanted =
                    dependencies_of(services.members.back().value);
                if (std::find(wanted.begin(), wanted.end(), member.key) != wanted.end())
                    more.push_back(member.key);
            }
        enable_services(project, more);
    }
}

void order_members(Node& node, const Schema& schema) {
    static constexpr Schema anything{};
    if (node.is_sequence()) {
        for (Node& item : node.items) order_members(item, schema.item ? *schema.item : anything);
        return;
    }
    if (!node.is_mapping()) return;
    const auto rank = [&](const Member& member) -> std::size_t {
        for (std::size_t i = 0; i < schema.fields.size(); ++i)
            if (schema.fields[i].name == member.key) return i;
        return schema.fields.size();
    };
    std::stable_sort(node.members.begin(), node.members.end(),
                     [&](const Member& a, const Member& b) {
        const std::size_t left = rank(a), right = rank(b);
        return left != right ? left < right : left == schema.fields.size() && a.key < b.key;
    });
    for (Member& member : node.members) {
        const Schema* field =
            schema.shape == Shape::object ? find_field(schema, member.key) : schema.item;
        order_members(member.value, field ? *field : anything);
    }
}

}  // namespace hull::compose
