#include "compose/project.hh"

#include "base/error.hh"
#include "compose/normalise.hh"
#include "compose/values.hh"

#include <algorithm>
#include <set>

namespace hull::compose {
namespace {

std::string suggest(std::string_view word, const Node& mapping) {
    std::vector<std::string_view> names;
    for (const Member& member : mapping.members) names.push_back(member.key);
    const std::string near = nearest(word, names);
    return near.empty() ? "" : fmt::format(" (did you mean {}?)", near);
}

/// Depth first; `open` is the way from the first service to this one.
void visit(const Project& project, const std::string& name, std::vector<std::string>& open,
           std::set<std::string>& done, std::vector<std::string>& order) {
    if (done.contains(name)) return;
    if (const auto begin = std::find(open.begin(), open.end(), name); begin != open.end()) {
        std::vector<std::string> cycle(begin, open.end());
        cycle.push_back(name);
        const Node& entry = project.services()[cycle[0]]["depends_on"][cycle[1]];
        throw Error(ErrorKind::invalid_argument, "{}: dependency cycle detected: {}",
                    to_string(entry.place), join_words(cycle, " -> "));
    }
    const Node* service = project.services().find(name);
    if (!service) return;
    open.push_back(name);
    for (const std::string& other : dependencies_of(*service))
        visit(project, other, open, done, order);
    open.pop_back();
    done.insert(name);
    order.push_back(name);
}

/// Collects what the check of one service finds.
class Checker {
public:
    Checker(const Project& project, std::vector<std::string>& problems)
        : project_(project), problems_(problems) {}

    void check(const std::string& name, const Node& service) {
        name_ = name;
        if (!service.find("image") && !service.find("build") && !service.find("provider"))
            complain(service.place, "has neither an image nor a build context specified");
        check_dependencies(service);
        for (const Member& member : service["networks"].members)
            refer("networks", member.key, member.place, "network");
        for (const Node& mount : service["volumes"].items)
            if (mount["type"].text == "volume" && !mount["source"].text.empty())
                refer("volumes", mount["source"].text, mount["source"].place, "volume");
        for (const Node& item : service["secrets"].items)
            refer("secrets", item["source"].text, item["source"].place, "secret");
        for (const Node& item : service["configs"].items)
            refer("configs", item["source"].text, item["source"].place, "config");
        for (const Node& item : service["build"]["secrets"].items)
            refer("secrets", item["source"].text, item["source"].place, "secret");
        const Node* mode = service.find("network_mode");
        if (mode && !service["networks"].members.empty())
            complain(mode->place, "declares mutually exclusive `network_mode` and `networks`");
        const Node* container_name = service.find("container_name");
        if (container_name && replicas_of(service) > 1)
            complain(container_name->place,
                     "cannot be scaled: its container_name \"{}\" can exist only once",
                     container_name->text);
        check_health(service);
        check_memory(service);
    }

    void check_resources() {
        for (const char* section : {"secrets", "configs"})
            for (const Member& member : project_.root[section].members) check_file(section, member);
    }

private:
    template <typename... Args>
    void complain(const Place& place, fmt::format_string<Args...> text, Args&&... args) {
        problems_.push_back(fmt::format("{}: service \"{}\" {}", to_string(place), name_,
                                        fmt::format(text, std::forward<Args>(args)...)));
    }

    void refer(const char* section, const std::string& key, const Place& place,
               std::string_view noun) {
        if (project_.root[section].find(key)) return;
        complain(place, "refers to undefined {} {}{}", noun, key,
                 suggest(key, project_.root[section]));
    }

    void check_dependencies(const Node& service) {
        for (const Member& member : service["depends_on"].members) {
            if (project_.services().find(member.key)) continue;
            const Node* required = member.value.find("required");
            if (required && !required->is_true()) continue;
            if (project_.disabled.find(member.key))
                complain(member.place,
                         "depends on \"{}\", whose profile is not active: enable it with --profile",
                         member.key);
            else
                complain(member.place, "depends on undefined service \"{}\"{}", member.key,
                         suggest(member.key, project_.services()));
        }
    }

    void check_health(const Node& service) {
        const Node& check = service["healthcheck"];
        if (!check.is_mapping() || check["disable"].is_true()) return;
        if (const Node* test = check.find("test");
            test && test->items.size() > 1 && test->items[0].text == "NONE")
            complain(test->place, "has a healthcheck.test of NONE with arguments");
    }

    void check_memory(const Node& service) {
        const Node* soft = service.find("mem_reservation");
        const Node* hard = service.find("mem_limit");
        if (!soft || !hard) return;
        if (parse_integer(soft->text).value_or(0) > parse_integer(hard->text).value_or(0))
            complain(soft->place, "reserves more memory than its mem_limit");
    }

    void check_file(std::string_view section, const Member& member) {
        if (member.value.is_null() || member.key.starts_with("x-")) return;
        int sources = 0;
        for (const char* key : {"file", "environment", "content", "external", "driver"})
            if (const Node* source = member.value.find(key);
                source && !(source->kind == Kind::boolean && !source->boolean))
                ++sources;
        const std::string_view noun = section == "secrets" ? "secret" : "config";
        if (sources > 1)
            problems_.push_back(fmt::format(
                "{}: {} \"{}\" has more than one source: file, environment{} and external exclude "
                "each other",
                to_string(member.place), noun, member.key, noun == "config" ? ", content" : ""));
        if (sources == 0)
            problems_.push_back(fmt::format(
                "{}: {} \"{}\" must declare either file, environment{} or external",
                to_string(member.place), noun, member.key, noun == "config" ? ", content" : ""));
    }

    const Project& project_;
    std::vector<std::string>& problems_;
    std::string name_;
};

}  // namespace

const Node& Project::get_service(const std::string& service) const {
    if (const Node* found = services().find(service)) return *found;
    throw Error(ErrorKind::not_found, "no such service: {}{}", service,
                suggest(service, services()));
}

std::vector<std::string> Project::service_names() const {
    std::vector<std::string> names;
    for (const Member& member : services().members) names.push_back(member.key);
    std::sort(names.begin(), names.end());
    return names;
}

std::vector<std::string> dependencies_of(const Node& service) {
    std::vector<std::string> names;
    for (const Member& member : service["depends_on"].members) names.push_back(member.key);
    return names;
}

std::vector<std::string> dependency_order(const Project& project) {
    std::vector<std::string> open, order;
    std::set<std::string> done;
    for (const std::string& name : project.service_names()) visit(project, name, open, done, order);
    return order;
}

int replicas_of(const Node& service) {
    if (const Node* scale = service.find("scale")) return static_cast<int>(scale->integer);
    const Node& replicas = service["deploy"]["replicas"];
    return replicas.is_null() ? 1 : static_cast<int>(replicas.integer);
}

void check_consistency(const Project& project) {
    std::vector<std::string> problems;
    Checker checker(project, problems);
    for (const Member& member : project.services().members) checker.check(member.key, member.value);
    checker.check_resources();
    if (!problems.empty())
        throw Error(ErrorKind::invalid_argument, "{}", join_words(problems, "\n"));
    dependency_order(project);
}

void drop_unused(Project& project) {
    std::set<std::pair<std::string, std::string>> used;
    for (const Member& member : project.services().members) {
        const Node& service = member.value;
        for (const Member& network : service["networks"].members)
            used.emplace("networks", network.key);
        for (const Node& mount : service["volumes"].items)
            used.emplace("volumes", mount["source"].text);
        for (const char* section : {"secrets", "configs"})
            for (const Node& item : service[section].items)
                used.emplace(section, item["source"].text);
        for (const Node& item : service["build"]["secrets"].items)
            used.emplace("secrets", item["source"].text);
    }
    for (const char* section : {"networks", "volumes", "secrets", "configs"}) {
        Node* resources = project.root.find(section);
        if (!resources) continue;
        std::erase_if(resources->members, [&](const Member& member) {
            return !used.contains({section, member.key});
        });
        if (resources->members.empty()) project.root.erase(section);
    }
}

void select_services(Project& project, const std::vector<std::string>& names, bool dependencies) {
    if (names.empty()) return;
    enable_services(project, names);
    std::set<std::string> wanted;
    std::vector<std::string> queue;
    for (const std::string& name : names) {
        project.get_service(name);
        queue.push_back(name);
    }
    while (!queue.empty()) {
        const std::string name = std::move(queue.back());
        queue.pop_back();
        if (!wanted.insert(name).second || !dependencies) continue;
        if (const Node* service = project.services().find(name))
            for (std::string& other : dependencies_of(*service)) queue.push_back(std::move(other));
    }
    Node& services = *project.root.find("services");
    std::erase_if(services.members,
                  [&](const Member& member) { return !wanted.contains(member.key); });
    if (!dependencies)
        for (Member& member : services.members)
            if (Node* depends_on = member.value.find("depends_on"))
                std::erase_if(depends_on->members,
                              [&](const Member& entry) { return !wanted.contains(entry.key); });
}

}  // namespace hull::compose
