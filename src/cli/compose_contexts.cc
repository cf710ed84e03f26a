#include "cli/compose_contexts.hh"

#include "base/error.hh"
#include "base/text.hh"
#include "compose/hash.hh"

#include <algorithm>

namespace hull::cli {
namespace {

constexpr std::string_view of_service = "service:", of_image = "docker-image://";

/// Where the first FROM begins. Before it there are only comments, directives and ARG.
std::size_t find_first_stage(std::string_view dockerfile) {
    for (std::size_t at = 0; at < dockerfile.size();) {
        const std::size_t end = std::min(dockerfile.find('\n', at), dockerfile.size());
        const std::string line = lower(trim(dockerfile.substr(at, end - at)));
        if (line.starts_with("from ") || line.starts_with("from\t")) return at;
        at = end + 1;
    }
    return dockerfile.size();
}

}  // namespace

std::vector<std::string> built_before(const compose::Node& service) {
    std::vector<std::string> names;
    for (const compose::Member& context : service["build"]["additional_contexts"].members)
        if (context.value.text.starts_with(of_service))
            names.push_back(context.value.text.substr(of_service.size()));
    return names;
}

std::map<std::string, std::string> image_contexts(const compose::Project& project,
                                                  const std::string& service) {
    std::map<std::string, std::string> images;
    for (const compose::Member& context :
         project.get_service(service)["build"]["additional_contexts"].members) {
        const std::string& place = context.value.text;
        if (place.starts_with(of_image)) {
            images[context.key] = place.substr(of_image.size());
        } else if (place.starts_with(of_service)) {
            const std::string other = place.substr(of_service.size());
            if (!project.services().find(other))
                throw Error(ErrorKind::not_found,
                            "service \"{}\": its additional context {} is the service {}, which is "
                            "not selected: name it, too",
                            service, context.key, other);
            images[context.key] = compose::image_of(project, other);
        }
    }
    return images;
}

std::vector<std::string> other_contexts(const compose::Project& project,
                                        const std::string& service) {
    std::vector<std::string> words;
    for (const compose::Member& context :
         project.get_service(service)["build"]["additional_contexts"].members)
        if (const std::string& place = context.value.text;
            !place.starts_with(of_image) && !place.starts_with(of_service))
            words.push_back(context.key + "=" + place);
    return words;
}

std::string with_stages(std::string_view dockerfile,
                        const std::map<std::string, std::string>& images) {
    std::string text(dockerfile);
    std::string stages;
    for (const auto& [name, image] : images) stages += fmt::format("FROM {} AS {}\n", image, name);
    text.insert(find_first_stage(text), stages);
    return text;
}

}  // namespace hull::cli
