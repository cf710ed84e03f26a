#include "api/types/volume.hh"
#include "base/error.hh"
#include "cli/prune.hh"
#include "cli/session.hh"
#include "cli/words.hh"

#include <optional>

namespace hull::cli {
namespace {

/// nullopt when there is no such object.
std::optional<json::Value> find(Session& session, const std::string& path) {
    try {
        return session.ask([&](client::Client& daemon) { return daemon.get(path); });
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::not_found) return std::nullopt;
        throw;
    }
}

std::string names_of(const std::vector<api::ContainerSummary>& containers) {
    std::vector<std::string> names;
    for (const api::ContainerSummary& container : containers)
        names.push_back(container.names.empty() ? container.id.substr(0, 12)
                                                : container.names[0].substr(1));
    return join_text(names, ", ");
}

using Reasons = std::vector<std::string>;

Reasons of_container(const json::Value& container) {
    const std::string state = container["State"]["Status"].as_string();
    if (state == "running" || state == "paused" || state == "restarting")
        return {"it is " + state + ": only stopped ones go"};
    return {};
}

Reasons of_image(Session& session, const json::Value& image, bool all) {
    const std::string id = image["Id"].as_string();
    Reasons reasons;
    const auto users = session.ask([&](client::Client& daemon) {
        return daemon.list_containers(true, 0, false, {{"ancestor", {id}}});
    });
    if (!users.empty()) reasons.push_back("containers are made from it: " + names_of(users));
    if (image["RepoTags"].is_array() && !image["RepoTags"].as_array().empty() && !all)
        reasons.push_back("it has a name, " + image["RepoTags"].as_array()[0].as_string() +
                          ": only --all takes these");
    for (const api::ImageSummary& other :
         session.ask([](client::Client& daemon) { return daemon.list_images(true, {}); }))
        if (other.parent_id == id)
            reasons.push_back("image " + other.id.substr(7, 12) + " is made from it");
    return reasons;
}

Reasons of_network(const json::Value& network, Session& session) {
    const std::string name = network["Name"].as_string();
    if (name == "bridge" || name == "host" || name == "none") return {"it is predefined"};
    const auto users = session.ask([&](client::Client& daemon) {
        return daemon.list_containers(true, 0, false, {{"network", {network["Id"].as_string()}}});
    });
    if (!users.empty()) return {"containers are connected to it: " + names_of(users)};
    return {};
}

Reasons of_volume(const json::Value& volume, Session& session, bool all) {
    const std::string name = volume["Name"].as_string();
    Reasons reasons;
    const auto users = session.ask([&](client::Client& daemon) {
        return daemon.list_containers(true, 0, false, {{"volume", {name}}});
    });
    if (!users.empty()) reasons.push_back("containers have it: " + names_of(users));
    const json::Value& labels = volume["Labels"];
    const bool is_anonymous =
        labels.is_object() && labels.as_object().find("com.docker.volume.anonymous");
    if (!is_anonymous && !all) reasons.push_back("somebody has named it: only anonymous ones go");
    return reasons;
}

}  // namespace

int explain_why_not(Session& session, const std::string& name, const PruneScope& scope) {
    const std::string id = http::encode_percent(name);
    std::string kind;
    Reasons reasons;
    const auto not_asked = [&](bool is_asked) {
        if (!is_asked)
            reasons.insert(reasons.begin(), "this prune takes no " + kind + "s" +
                                                (kind == "volume" ? ": --volumes does" : ""));
    };
    if (const auto container = find(session, "/containers/" + id + "/json")) {
        kind = "container";
        reasons = of_container(*container);
        not_asked(scope.containers);
    } else if (const auto image = find(session, "/images/" + id + "/json")) {
        kind = "image";
        reasons = of_image(session, *image, scope.all_images);
        not_asked(scope.images);
    } else if (const auto network = find(session, "/networks/" + id)) {
        kind = "network";
        reasons = of_network(*network, session);
        not_asked(scope.networks);
    } else if (const auto volume = find(session, "/volumes/" + id)) {
        kind = "volume";
        reasons = of_volume(*volume, session, scope.all_volumes);
        not_asked(scope.volumes);
    } else {
        throw Error(ErrorKind::not_found, "Error: No such object: {}", name);
    }
    if (reasons.empty()) {
        session.print_line(fmt::format("{} {} would go", kind, name));
        return 1;
    }
    std::string text;
    for (const std::string& reason : reasons)
        text += fmt::format("{} {} stays: {}\n", kind, name, reason);
    session.print(text);
    return 0;
}

}  // namespace hull::cli
