#include "compose/definitions.hh"
#include "compose/docker_hash.hh"
#include "compose/labels.hh"
#include "compose/request.hh"
#include "compose/up.hh"
#include "compose/values.hh"

#include "base/error.hh"

#include <algorithm>

namespace hull::compose {
namespace {

std::string short_digest(const std::string& id) {
    return id.starts_with("sha256:") || id.starts_with("sha512:") ? id.substr(7, 12)
                                                                  : id.substr(0, 12);
}

/// Why `container` is not what `service` asks for; "" when it is.
std::string config_reason(const Container& container, const Project& project, const Node& service,
                          const ContainerOf& container_of) {
    const std::string before = container.label(labels::config);
    if (!before.empty()) {
        const Node now = full_config(project, service);
        return before == json::dump(to_sorted_json(now)) ? "" : changes_since(before, now);
    }
    if (has_docker_hash(container.label(labels::config_hash), service, container_of)) return "";
    return "docker compose made it of another configuration: what differs is not known";
}

std::string image_reason(const Container& container, const std::string& image_id) {
    std::string before = container.label(labels::image);
    if (before.empty() || before.find(':') == std::string::npos) before = container.image_id;
    if (image_id.empty() || before.empty() || before == image_id || container.image_id == image_id)
        return "";
    return fmt::format("image: {}→{}", short_digest(before), short_digest(image_id));
}

/// Services whose namespaces this one lives in: with them goes this one.
std::vector<std::string> joined_services(const Node& service) {
    std::vector<std::string> names;
    for (const char* key : {"network_mode", "ipc", "pid", "uts"})
        if (const std::string& mode = service[key].text; mode.starts_with("service:"))
            names.push_back(mode.substr(8));
    for (const Node& item : service["volumes_from"].items)
        if (!item.text.starts_with("container:"))
            names.push_back(item.text.substr(0, item.text.find(':')));
    return names;
}

class Planner {
public:
    Planner(const Project& project, const State& state,
            const std::map<std::string, std::string>& image_ids, const UpOptions& options)
        : project_(project), state_(state), image_ids_(image_ids), options_(options) {}

    Plan plan() {
        for (const std::string& name : dependency_order(project_)) plan_service(name);
        for (const Container& container : state_.containers) {
            const bool known = project_.services().find(container.service) ||
                               project_.disabled.find(container.service);
            if (!known && !container.one_off && options_.targets.empty())
                plan_.orphans.push_back(container);
        }
        return std::move(plan_);
    }

private:
    bool is_target(const std::string& name) const {
        return options_.targets.empty() ||
               std::find(options_.targets.begin(), options_.targets.end(), name) !=
                   options_.targets.end();
    }

    void plan_service(const std::string& name) {
        const Node& service = project_.get_service(name);
        const int wanted = wanted_replicas(project_, name, options_);
        std::vector<ContainerChange>& changes = plan_.services[name];
        std::map<int, Container> numbered;
        for (const Container* container : state_.of_service(name))
            add_numbered(numbered, *container, name, changes);
        const std::string outside = outside_reason(service);
        for (auto& [number, container] : numbered) {
            if (number > wanted) {
                changes.push_back({Change::remove, container.name, number, container,
                                   fmt::format("{} of {}", number, wanted)});
                continue;
            }
            changes.push_back(change_of(name, service, container, outside));
        }
        for (int number = 1; number <= wanted; ++number)
            if (!numbered.contains(number))
                changes.push_back({Change::create, container_name(project_, name, number), number,
                                   std::nullopt, ""});
        std::stable_sort(
            changes.begin(), changes.end(),
            [](const ContainerChange& a, const ContainerChange& b) { return a.number < b.number; });
        for (const ContainerChange& change : changes)
            if (change.change == Change::recreate) recreated_.insert(name);
    }

    /// Two of a number are left by a replacement that was interrupted: the one with the right name
    /// stays, or the newer one.
    void add_numbered(std::map<int, Container>& numbered, const Container& container,
                      const std::string& name, std::vector<ContainerChange>& changes) {
        const auto [place, is_new] = numbered.emplace(container.number, container);
        if (is_new) return;
        const std::string right = container_name(project_, name, container.number);
        Container& known = place->second;
        const bool take =
            container.name == right || (known.name != right && container.created > known.created);
        const Container& left_over = take ? known : container;
        changes.push_back({Change::remove, left_over.name, left_over.number, left_over,
                           "left over by an interrupted replacement"});
        if (take) known = container;
    }

    /// A reason that lies in another service.
    std::string outside_reason(const Node& service) const {
        for (const std::string& other : joined_services(service))
            if (recreated_.contains(other))
                return fmt::format("{} is recreated, whose namespaces or volumes it uses", other);
        return "";
    }

    ContainerChange change_of(const std::string& name, const Node& service,
                              const Container& container, const std::string& outside) const {
        const bool forced =
            options_.force_recreate && (is_target(name) || options_.always_recreate_deps);
        std::string reason = forced ? "forced" : outside;
        if (reason.empty() && !options_.no_recreate) {
            reason = config_reason(container, project_, service, [&](const std::string& other) {
                const std::vector<const Container*> shared = state_.of_service(other);
                return shared.empty() ? "" : shared.front()->id;
            });
            const auto image = image_ids_.find(name);
            if (reason.empty() && image != image_ids_.end())
                reason = image_reason(container, image->second);
        }
        if (!reason.empty())
            return {Change::recreate, container_name(project_, name, container.number),
                    container.number, container, reason};
        if (!container.is_running())
            return {Change::start, container.name, container.number, container, ""};
        return {must_restart(service) ? Change::restart : Change::keep, container.name,
                container.number, container,
                must_restart(service) ? "what it depends on is recreated" : ""};
    }

    bool must_restart(const Node& service) const {
        for (const Member& member : service["depends_on"].members)
            if (member.value["restart"].is_true() && recreated_.contains(member.key)) return true;
        return false;
    }

    const Project& project_;
    const State& state_;
    const std::map<std::string, std::string>& image_ids_;
    const UpOptions& options_;
    Plan plan_;
    std::set<std::string> recreated_;
};

}  // namespace

std::string_view to_string(Change change) {
    switch (change) {
        case Change::keep: return "keep";
        case Change::create: return "create";
        case Change::recreate: return "recreate";
        case Change::start: return "start";
        case Change::restart: return "restart";
        case Change::remove: return "remove";
    }
    return "";
}

bool Plan::is_empty() const {
    for (const auto& [name, changes] : services)
        for (const ContainerChange& change : changes)
            if (change.change != Change::keep) return false;
    return true;
}

int wanted_replicas(const Project& project, const std::string& service, const UpOptions& options) {
    const auto scaled = options.scale.find(service);
    return scaled != options.scale.end() ? scaled->second
                                         : replicas_of(project.get_service(service));
}

Plan make_plan(const Project& project, const State& state,
               const std::map<std::string, std::string>& image_ids, const UpOptions& options) {
    return Planner(project, state, image_ids, options).plan();
}

std::string describe_plan(const Plan& plan) {
    std::string text;
    for (const auto& [service, changes] : plan.services)
        for (const ContainerChange& change : changes)
            text += fmt::format("{}: {} {}{}{}\n", service, to_string(change.change), change.name,
                                change.reason.empty() ? "" : ": ", change.reason);
    return text;
}

}  // namespace hull::compose
