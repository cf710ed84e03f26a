#include "api/server/json_versions.hh"

#include "base/error.hh"
#include "image/images.hh"
#include "oci/platform.hh"

#include <algorithm>

namespace hull::server {

namespace {

/// Until 1.44 the aliases held the short id, which since then is one of DNSNames.
void add_short_id(json::Value& endpoint) {
    const auto is_short_id = [](const std::string& name) {
        return name.size() == 12 && name.find_first_not_of("0123456789abcdef") == std::string::npos;
    };
    const json::Value& names = std::as_const(endpoint)["DNSNames"];
    if (!names.is_array()) return;
    for (const std::string& name : names.as_strings()) {
        if (!is_short_id(name)) continue;
        std::vector<std::string> aliases = endpoint["Aliases"].as_strings();
        if (std::find(aliases.begin(), aliases.end(), name) == aliases.end())
            aliases.push_back(name);
        endpoint["Aliases"] = aliases;
        return;
    }
}

void adapt_networks(json::Value& settings, int minor_version) {
    json::Value& networks = settings["Networks"];
    if (!networks.is_object()) return;
    for (auto& [name, endpoint] : networks.as_object()) {
        if (!endpoint.is_object()) continue;
        if (minor_version < 48) endpoint.as_object().erase("GwPriority");
        if (minor_version < 45) add_short_id(endpoint);
        if (minor_version < 44) endpoint.as_object().erase("DNSNames");
    }
}

bool is_empty(const json::Value& value) {
    if (value.is_null()) return true;
    if (value.is_string()) return value.as_string().empty();
    if (value.is_array()) return value.as_array().empty();
    if (value.is_object()) return value.as_object().empty();
    return value.is_bool() && !value.as_bool();
}

/// By a copy: the new member may move the others.
void add_virtual_size(json::Value& image) {
    json::Value size = image["Size"];
    image["VirtualSize"] = std::move(size);
}

}  // namespace

void adapt_container_summary(json::Value& item, int minor_version) {
    adapt_networks(item["NetworkSettings"], minor_version);
    if (minor_version < 46 && item["HostConfig"].is_object())
        item["HostConfig"].as_object().erase("Annotations");
}

void adapt_container_inspect(json::Value& container, int minor_version) {
    adapt_networks(container["NetworkSettings"], minor_version);
    if (minor_version < 43) container["HostConfig"].as_object().erase("Annotations");
}

void adapt_network(json::Value& network, int minor_version) {
    if (minor_version < 48) network.as_object().erase("EnableIPv4");
}

void adapt_image_summary(json::Value& item, int minor_version) {
    if (minor_version < 44) add_virtual_size(item);
    if (minor_version >= 43) return;
    if (item["RepoTags"].as_array().empty() && item["RepoDigests"].as_array().empty()) {
        item["RepoTags"] = json::Array{"<none>:<none>"};
        item["RepoDigests"] = json::Array{"<none>@<none>"};
    }
}

void add_container_config(json::Value& image) {
    image["Container"] = "";
    json::Value config = image["Config"];
    image["ContainerConfig"] = std::move(config);
}

void adapt_image_inspect(json::Value& image, int minor_version) {
    if (minor_version < 44) add_virtual_size(image);
    if (minor_version < 50) return;
    // From 1.50 the config is the image-spec's: no members that only containers have.
    json::Object trimmed;
    for (const char* name :
         {"User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels",
          "StopSignal", "ArgsEscaped", "Healthcheck", "OnBuild", "Shell"}) {
        const json::Value& member = std::as_const(image)["Config"][name];
        if (!is_empty(member)) trimmed.append(name, member);
    }
    image["Config"] = std::move(trimmed);
}

void require_platform(const image::Images& images, const std::string& reference,
                      const std::string& platform) {
    if (platform.empty()) return;
    const oci::Platform wanted = oci::normalize(oci::parse_platform(platform));
    const oci::Platform found = oci::normalize(images.get_image(reference)->config.platform);
    if (wanted.os != found.os || wanted.architecture != found.architecture ||
        (!wanted.variant.empty() && wanted.variant != found.variant))
        throw Error(ErrorKind::not_found,
                    "image with reference {} was found but does not provide the specified platform "
                    "({})",
                    reference, wanted.str());
}

}  // namespace hull::server
