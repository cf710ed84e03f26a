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
    for (const std::string& name : dependency_order(project)) {
        const Node& service = project.get_service(name);
        if (service.find("provider")) continue;
        const std::string image = image_of(project, name);
        const auto known = of_image.find(image);
        if (known != of_image.end() && !service.find("build")) {
            ids[name] = known->second;
            continue;
        }
        std::string policy = options.pull.empty() ? service["pull_policy"].text : options.pull;
        if (policy == "if_not_present" || policy.empty()) policy = "missing";
        std::string id = find_image(daemon, image);
        const bool can_build = service.find("build") && !options.no_build;
        const bool must_build =
            can_build && (options.build || policy == "build" || (id.empty() && policy != "always"));
        if (must_build) {
            maker.build(name);
            id = find_image(daemon, image);
        } else if (!service.find("build") || policy == "always") {
            const bool refresh = policy == "always" || policy == "refresh" ||
                                 (!id.empty() && policy != "missing" && policy != "never" &&
                                  is_stale(daemon, image, policy));
            if ((refresh || (id.empty() && policy != "never")) && pulled.insert(image).second) {
                try {
                    maker.pull(image, service["platform"].text);
                } catch (const Error&) {
                    if (!can_build) throw;
                    maker.build(name);
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
