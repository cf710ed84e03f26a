#include "base/error.hh"
#include "compose/definitions.hh"
#include "compose/docker_hash.hh"
#include "compose/labels.hh"
#include "compose/request.hh"
#include "compose/resource_change.hh"
#include "compose/work.hh"

#include <set>

namespace hull::compose {
namespace {

json::Value string_map(const Node& mapping) {
    json::Object object;
    for (const Member& member : mapping.members) object.append(member.key, member.value.to_text());
    return object;
}

json::Value labels_of(const Project& project, const Node& resource, const char* label,
                      const std::string& key, const std::string& hash) {
    std::map<std::string, std::string> labels = resource_labels(project, resource);
    labels[label] = key;
    labels[labels::config_hash] = hash;
    labels[labels::config] = json::dump(to_sorted_json(resource_config(resource)));
    return labels;
}

json::Value network_request(const Project& project, const std::string& key, const Node& network) {
    json::Object body{{"Name", network["name"].text},
                      {"CheckDuplicate", true},
                      {"Labels", labels_of(project, network, labels::network, key,
                                           docker_network_hash(network))}};
    if (!network["driver"].text.empty()) body["Driver"] = network["driver"].text;
    if (network.find("driver_opts")) body["Options"] = string_map(network["driver_opts"]);
    if (network["internal"].is_true()) body["Internal"] = true;
    if (network["attachable"].is_true()) body["Attachable"] = true;
    if (const Node* enabled = network.find("enable_ipv6")) body["EnableIPv6"] = enabled->is_true();
    if (const Node* enabled = network.find("enable_ipv4")) body["EnableIPv4"] = enabled->is_true();
    const Node& ipam = network["ipam"];
    if (!ipam.is_mapping()) return body;
    json::Array pools;
    for (const Node& pool : ipam["config"].items) {
        json::Object item;
        if (pool.find("subnet")) item["Subnet"] = pool["subnet"].text;
        if (pool.find("ip_range")) item["IPRange"] = pool["ip_range"].text;
        if (pool.find("gateway")) item["Gateway"] = pool["gateway"].text;
        if (pool.find("aux_addresses"))
            item["AuxiliaryAddresses"] = string_map(pool["aux_addresses"]);
        pools.emplace_back(std::move(item));
    }
    json::Object management{{"Config", std::move(pools)}};
    management["Driver"] = ipam["driver"].text.empty() ? "default" : ipam["driver"].text;
    if (ipam.find("options")) management["Options"] = string_map(ipam["options"]);
    body["IPAM"] = std::move(management);
    return body;
}

void check_owner(const Work& work, const Project& project, std::string_view noun,
                 const std::string& name, const json::Value& found) {
    const std::string owner = label_of(found, labels::project),
                      directory = label_of(found, labels::working_dir);
    if (owner == project.name && !directory.empty() && directory != project.directory)
        throw Error(ErrorKind::conflict,
                    "{} {} belongs to the project {} of another directory ({}): give this one "
                    "another name (-p or name:)",
                    noun, name, owner, directory);
    if (owner != project.name)
        work.reporter->warn(
            fmt::format("{0} {1} already exists but was not created for project \"{2}\". Use "
                        "`external: true` to use an existing {0}",
                        noun, name, project.name));
}

void keep_or_recreate(client::Client& daemon, const Work& work, const Project& project,
                      const Member& member, const json::Value& found, bool dry_run) {
    if (label_of(found, labels::project) != project.name) return;
    const std::string changes =
        resource_changes(found, member.value, docker_network_hash(member.value));
    if (changes.empty()) return;
    const std::string& name = member.value["name"].text;
    work.reporter->event("Network", name, "Recreate (" + changes + ")");
    if (dry_run) return;
    with_context(
        [&] {
        recreate_network(daemon, found, network_request(project, member.key, member.value));
        },
        "network {}", name);
    work.reporter->event("Network", name, "Recreated");
}

/// Of the project and of its directory; without a directory, or in what has none, the name decides.
bool is_ours(const json::Value& resource, const std::string& directory) {
    const std::string other = label_of(resource, labels::working_dir);
    return directory.empty() || other.empty() || other == directory;
}

}  // namespace

std::string resource_changes(const json::Value& found, const Node& now, const std::string& hash) {
    const std::string before = label_of(found, labels::config);
    if (!before.empty()) return changes_since(before, resource_config(now));
    const std::string other = label_of(found, labels::config_hash);
    return other.empty() || other == hash ? "" : "docker compose made it of another definition";
}

std::string label_of(const json::Value& resource, const char* name) {
    const json::Value& value = resource["Labels"][name];
    return value.is_string() ? value.as_string() : "";
}

json::Value find_resource(client::Client& daemon, const std::string& path) {
    try {
        return daemon.get(path);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_found) throw;
        return nullptr;
    }
}

void ensure_networks(client::Client& daemon, const Work& work, const Project& project,
                     bool dry_run) {
    for (const Member& member : project.root["networks"].members) {
        const std::string& name = member.value["name"].text;
        if (member.key.starts_with("x-")) continue;
        const json::Value found = find_resource(daemon, "/networks/" + http::encode_percent(name));
        if (member.value["external"].is_true()) {
            if (found.is_null())
                throw Error(ErrorKind::not_found,
                            "network {} declared as external, but could not be found", name);
            continue;
        }
        if (!found.is_null()) {
            check_owner(work, project, "network", name, found);
            keep_or_recreate(daemon, work, project, member, found, dry_run);
            continue;
        }
        work.reporter->event("Network", name, "Creating");
        if (!dry_run)
            with_context(
                [&] {
                daemon.post("/networks/create", {},
                            network_request(project, member.key, member.value));
                },
                "network {}", name);
        work.reporter->event("Network", name, "Created");
    }
}

void ensure_volumes(client::Client& daemon, const Work& work, const Project& project,
                    bool dry_run) {
    for (const Member& member : project.root["volumes"].members) {
        if (member.key.starts_with("x-")) continue;
        const std::string& name = member.value["name"].text;
        const json::Value found = find_resource(daemon, "/volumes/" + http::encode_percent(name));
        if (member.value["external"].is_true()) {
            if (found.is_null())
                throw Error(ErrorKind::not_found, "external volume \"{}\" not found", name);
            continue;
        }
        if (!found.is_null()) {
            check_owner(work, project, "volume", name, found);
            continue;
        }
        work.reporter->event("Volume", name, "Creating");
        json::Object body{{"Name", name},
                          {"Labels", labels_of(project, member.value, labels::volume, member.key,
                                               docker_volume_hash(member.value))}};
        if (!member.value["driver"].text.empty()) body["Driver"] = member.value["driver"].text;
        if (member.value.find("driver_opts"))
            body["DriverOpts"] = string_map(member.value["driver_opts"]);
        if (!dry_run)
            with_context([&] { daemon.post("/volumes/create", {}, body); }, "volume {}", name);
        work.reporter->event("Volume", name, "Created");
    }
}

void remove_networks(client::Client& daemon, const Work& work, const std::string& project,
                     const std::string& directory) {
    const json::Value list =
        daemon.get("/networks", {{"filters", client::format_filters(project_filter(project))}});
    if (!list.is_array()) return;
    for (const json::Value& network : list.as_array()) {
        if (!is_ours(network, directory)) continue;
        const std::string& name = network["Name"].as_string();
        work.reporter->event("Network", name, "Removing");
        try {
            daemon.remove("/networks/" + http::encode_percent(network["Id"].as_string()));
            work.reporter->event("Network", name, "Removed");
        } catch (const Error& error) {
            if (error.kind() == ErrorKind::not_found) continue;
            if (error.kind() != ErrorKind::forbidden && error.kind() != ErrorKind::conflict) throw;
            work.reporter->event("Network", name, "Resource is still in use");
        }
    }
}

void remove_volumes(client::Client& daemon, const Work& work, const std::string& project,
                    const std::string& directory) {
    const json::Value reply =
        daemon.get("/volumes", {{"filters", client::format_filters(project_filter(project))}});
    const json::Value& list = reply["Volumes"];
    if (!list.is_array()) return;
    for (const json::Value& volume : list.as_array()) {
        if (!is_ours(volume, directory) || label_of(volume, labels::volume).empty()) continue;
        const std::string& name = volume["Name"].as_string();
        work.reporter->event("Volume", name, "Removing");
        try {
            daemon.remove("/volumes/" + http::encode_percent(name));
            work.reporter->event("Volume", name, "Removed");
        } catch (const Error& error) {
            if (error.kind() == ErrorKind::not_found) continue;
            if (error.kind() != ErrorKind::conflict) throw;
            work.reporter->event("Volume", name, "Resource is still in use");
        }
    }
}

}  // namespace hull::compose
