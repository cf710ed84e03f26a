#include "compose/images.hh"

#include "base/error.hh"
#include "base/time.hh"
#include "compose/hash.hh"
#include "compose/values.hh"

#include <set>

namespace hull::compose {
namespace {

/// daily, weekly, every_X: when the image was tagged last is too long ago.
bool is_stale(client::Client& daemon, const std::string& image, const std::string& policy) {
    std::string_view every = policy == "daily"    ? "24h"
                             : policy == "weekly" ? "168h"
                                                  : std::string_view(policy);
    if (every.starts_with("every_")) every.remove_prefix(6);
    const auto period = parse_duration(every);
    if (!period) return false;
    const json::Value inspected = daemon.inspect_image_json(image);
    const json::Value& tagged = inspected["Metadata"]["LastTagTime"];
    const auto last = tagged.is_string() ? parse_rfc3339(tagged.as_string()) : std::nullopt;
    return !last || now_ns() - *last > *period;
}

/// When the image of a service is pulled or built: always, missing, never, build or a period.
std::string policy_of(const Node& service, const ImageOptions& options) {
    const std::string& policy = options.pull.empty() ? service["pull_policy"].text : options.pull;
    return policy == "if_not_present" || policy.empty() ? "missing" : policy;
}

bool can_build(const Node& service, const ImageOptions& options) {
    return service.find("build") && !options.no_build;
}

/// Services whose images are built now, whatever is there.
std::vector<std::string> to_build(client::Client& daemon, const Project& project,
                                  const ImageOptions& options) {
    std::vector<std::string> names;
    for (const std::string& name : dependency_order(project)) {
        const Node& service = project.get_service(name);
        if (service.find("provider") || !can_build(service, options)) continue;
        const std::string policy = policy_of(service, options);
        if (options.build || policy == "build" ||
            (policy != "always" && find_image(daemon, image_of(project, name)).empty()))
            names.push_back(name);
    }
    return names;
}

}  // namespace

std::string find_image(client::Client& daemon, const std::string& image) {
    try {
        return daemon.inspect_image_json(image)["Id"].as_string();
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_found) throw;
        return "";
    }
}

std::map<std::string, std::string> ensure_images(const Work& work, const Project& project,
                                                 const ImageOptions& options,
                                                 const ImageMaker& maker) {
    client::Client daemon = work.connect();
    std::map<std::string, std::string> ids, of_image;
    std::set<std::string> pulled;
    if (const std::vector<std::string> names = to_build(daemon, project, options); !names.empty())
        maker.build(names);
    for (const std::string& name : dependency_order(project)) {
        const Node& service = project.get_service(name);
        if (service.find("provider")) continue;
        const std::string image = image_of(project, name);
        const auto known = of_image.find(image);
        if (known != of_image.end() && !service.find("build")) {
            ids[name] = known->second;
            continue;
        }
        const std::string policy = policy_of(service, options);
        std::string id = find_image(daemon, image);
        if (!service.find("build") || policy == "always") {
            const bool refresh = policy == "always" || policy == "refresh" ||
                                 (!id.empty() && policy != "missing" && policy != "never" &&
                                  is_stale(daemon, image, policy));
            if ((refresh || (id.empty() && policy != "never")) && pulled.insert(image).second) {
                try {
                    maker.pull(image, service["platform"].text);
                } catch (const Error&) {
                    if (!can_build(service, options)) throw;
                    maker.build({name});
                }
                id = find_image(daemon, image);
            }
        }
        if (id.empty())
            throw Error(ErrorKind::not_found, "service \"{}\": No such image: {}{}", name, image,
                        service.find("build") ? " (build it: compose build)" : "");
        ids[name] = of_image[image] = id;
    }
    return ids;
}

}  // namespace hull::compose
