#include "compose/state.hh"

#include "base/error.hh"
#include "compose/labels.hh"
#include "compose/values.hh"

#include <algorithm>
#include <tuple>

namespace hull::compose {

std::string Container::label(const char* wanted) const {
    const auto found = labels.find(wanted);
    return found == labels.end() ? "" : found->second;
}

client::Filters project_filter(const std::string& project) {
    return {{"label", {std::string(labels::project) + "=" + project}}};
}

std::vector<const Container*> State::of_service(const std::string& service, bool one_off) const {
    std::vector<const Container*> result;
    for (const Container& container : containers)
        if (container.service == service && container.one_off == one_off)
            result.push_back(&container);
    return result;
}

const Container& State::get(const std::string& service, int number) const {
    for (const Container& container : containers)
        if (container.service == service && !container.one_off &&
            (number == 0 || container.number == number))
            return container;
    if (number > 0)
        throw Error(ErrorKind::not_found, "service \"{}\" is not running container #{}", service,
                    number);
    throw Error(ErrorKind::not_found, "service \"{}\" is not running", service);
}

State read_state(client::Client& daemon, const std::string& project, const std::string& directory) {
    State state;
    for (const api::ContainerSummary& summary :
         daemon.list_containers(true, 0, false, project_filter(project))) {
        Container container;
        container.labels = summary.labels;
        const std::string elsewhere = container.label(labels::working_dir);
        if (!directory.empty() && !elsewhere.empty() && elsewhere != directory) {
            if (std::find(state.other_directories.begin(), state.other_directories.end(),
                          elsewhere) == state.other_directories.end())
                state.other_directories.push_back(elsewhere);
            continue;
        }
        container.id = summary.id;
        if (!summary.names.empty()) container.name = summary.names[0].substr(1);
        container.service = container.label(labels::service);
        container.number =
            static_cast<int>(parse_integer(container.label(labels::number)).value_or(0));
        container.one_off = container.label(labels::one_off) == "True";
        container.state = summary.state;
        container.status = summary.status;
        container.image = summary.image;
        container.image_id = summary.image_id;
        container.command = summary.command;
        container.created = summary.created;
        container.summary = summary;
        state.containers.push_back(std::move(container));
    }
    std::sort(state.containers.begin(), state.containers.end(),
              [](const Container& a, const Container& b) {
        return std::tie(a.service, a.one_off, a.number, a.name) <
               std::tie(b.service, b.one_off, b.number, b.name);
    });
    return state;
}

std::string short_name(const Container& container, const std::string& project) {
    for (const char* separator : {"-", "_"})
        if (container.name.starts_with(project + separator))
            return container.name.substr(project.size() + 1);
    return container.name;
}

}  // namespace hull::compose
