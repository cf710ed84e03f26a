#include "compose/down.hh"

#include "base/error.hh"
#include "base/text.hh"
#include "compose/hash.hh"
#include "compose/labels.hh"
#include "compose/parallel.hh"

#include <algorithm>
#include <set>

namespace hull::compose {
namespace {

void remove_images(client::Client& daemon, const Work& work, const Project* project,
                   const State& state, const std::string& which) {
    std::set<std::string> images;
    for (const Container& container : state.containers) {
        const Node* service = project ? project->services().find(container.service) : nullptr;
        const bool has_name = service ? service->find("image") != nullptr : false;
        if (which == "local" && (has_name || !service)) continue;
        images.insert(service ? image_of(*project, container.service) : container.image);
    }
    if (project)
        for (const std::string& name : project->service_names())
            if (which == "all" || !project->get_service(name).find("image"))
                images.insert(image_of(*project, name));
    for (const std::string& image : images) {
        work.reporter->event("Image", image, "Removing");
        try {
            daemon.remove_image(image, false, false);
            work.reporter->event("Image", image, "Removed");
        } catch (const Error& error) {
            if (error.kind() == ErrorKind::not_found) continue;
            if (error.kind() != ErrorKind::conflict) throw;
            work.reporter->event("Image", image, "Resource is still in use");
        }
    }
}

bool is_known(const Project* project, const std::string& service) {
    return !project || project->services().find(service) || project->disabled.find(service);
}

}  // namespace

std::map<std::string, std::vector<std::string>> start_order(const State& state) {
    std::map<std::string, std::vector<std::string>> after;
    for (const Container& container : state.containers) {
        std::vector<std::string>& others = after[container.service];
        const std::string dependencies = container.label(labels::depends_on);
        for (const std::string_view part : split_views(dependencies, ',')) {
            const std::string other(part.substr(0, part.find(':')));
            if (!other.empty() && std::find(others.begin(), others.end(), other) == others.end())
                others.push_back(other);
        }
    }
    return after;
}

std::map<std::string, std::vector<std::string>> stop_order(const State& state) {
    std::map<std::string, std::vector<std::string>> before;
    for (const Container& container : state.containers) before[container.service];
    for (const auto& [service, others] : start_order(state))
        for (const std::string& other : others)
            if (before.contains(other)) before[other].push_back(service);
    return before;
}

void down(const Work& work, const Project* project, const std::string& name,
          const std::string& directory, const DownOptions& options) {
    client::Client daemon = work.connect();
    State state = read_state(daemon, name, directory);
    std::erase_if(state.containers, [&](const Container& container) {
        if (!options.services.empty())
            return std::find(options.services.begin(), options.services.end(), container.service) ==
                   options.services.end();
        return !is_known(project, container.service) && !options.remove_orphans;
    });
    run_in_order(stop_order(state), work.parallel, [&](const std::string& service) {
        std::vector<std::function<void()>> jobs;
        for (const Container& container : state.containers) {
            if (container.service != service) continue;
            jobs.push_back([&] {
                client::Client connection = work.connect();
                stop_container(connection, work, container, options.timeout_s, project);
                remove_container(connection, work, container, true, options.volumes);
            });
        }
        run_all(jobs, work.parallel);
    });
    if (options.services.empty()) remove_networks(daemon, work, name, directory);
    if (options.volumes && options.services.empty()) remove_volumes(daemon, work, name, directory);
    if (!options.remove_images.empty())
        remove_images(daemon, work, project, state, options.remove_images);
}

}  // namespace hull::compose
