#include "compose/resource_change.hh"

#include "base/error.hh"
#include "compose/definitions.hh"
#include "compose/docker_hash.hh"
#include "compose/labels.hh"

#include <optional>
#include <vector>

namespace hull::compose {
namespace {

/// A container in a network, as it can be put into the next one.
struct Attached {
    std::string id;
    json::Value aliases, links;
};

std::vector<Attached> attached_to(client::Client& daemon, const json::Value& network) {
    std::vector<Attached> result;
    // Also those that do not run, of which the network itself does not tell.
    for (const api::ContainerSummary& container :
         daemon.list_containers(true, 0, false, {{"network", {network["Id"].as_string()}}})) {
        const json::Value inspected = daemon.inspect_container_json(container.id);
        const json::Value& settings =
            inspected["NetworkSettings"]["Networks"][network["Name"].as_string()];
        result.push_back({container.id, settings["Aliases"], settings["Links"]});
    }
    return result;
}

void attach(client::Client& daemon, const std::string& network, const std::vector<Attached>& all) {
    for (const Attached& one : all)
        daemon.post("/networks/" + network + "/connect", {},
                    json::Object{{"Container", one.id},
                                 {"EndpointConfig",
                                  json::Object{{"Aliases", one.aliases}, {"Links", one.links}}}});
}

/// The request that would make `found` again.
json::Value request_of(const json::Value& found) {
    json::Object body;
    for (const char* key :
         {"Name", "Driver", "IPAM", "Internal", "Attachable", "EnableIPv6", "Options", "Labels"})
        body[key] = found[key];
    return body;
}

void drop_volume(client::Client& daemon, const Work& work, const std::string& name) {
    for (const api::ContainerSummary& user :
         daemon.list_containers(true, 0, false, {{"volume", {name}}})) {
        Container container;
        container.id = user.id;
        if (!user.names.empty()) container.name = user.names[0].substr(1);
        container.state = user.state;
        stop_container(daemon, work, container, {});
        remove_container(daemon, work, container, true, false);
    }
    work.reporter->event("Volume", name, "Removing");
    daemon.remove("/volumes/" + http::encode_percent(name));
    work.reporter->event("Volume", name, "Removed");
}

}  // namespace

void recreate_network(client::Client& daemon, const json::Value& found, const json::Value& body) {
    const std::string& name = body["Name"].as_string();
    const std::vector<Attached> attached = attached_to(daemon, found);
    for (const Attached& one : attached)
        daemon.post("/networks/" + found["Id"].as_string() + "/disconnect", {},
                    json::Object{{"Container", one.id}, {"Force", true}});
    daemon.remove("/networks/" + found["Id"].as_string());
    try {
        daemon.post("/networks/create", {}, body);
    } catch (const Error&) {
        daemon.post("/networks/create", {}, request_of(found));
        attach(daemon, http::encode_percent(name), attached);
        throw;
    }
    attach(daemon, http::encode_percent(name), attached);
}

void drop_changed_volumes(client::Client& daemon, const Work& work, const Project& project,
                          bool dry_run, const Confirm& confirm) {
    for (const Member& member : project.root["volumes"].members) {
        if (member.key.starts_with("x-") || member.value["external"].is_true()) continue;
        const std::string& name = member.value["name"].text;
        const json::Value found = find_resource(daemon, "/volumes/" + http::encode_percent(name));
        if (found.is_null() || label_of(found, labels::project) != project.name) continue;
        const std::string changes =
            resource_changes(found, member.value, docker_volume_hash(member.value));
        if (changes.empty()) continue;
        if (dry_run) {
            work.reporter->event("Volume", name, "Recreate, when you agree (" + changes + ")");
            continue;
        }
        const std::string what =
            fmt::format("Volume \"{}\" exists but doesn't match configuration in compose file ({})",
                        name, changes);
        if (confirm && confirm(what + ". Recreate (data will be lost)?"))
            drop_volume(daemon, work, name);
        else
            work.reporter->warn(what + ": it stays as it is; --yes recreates it without its data");
    }
}

}  // namespace hull::compose
