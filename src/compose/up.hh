#pragma once
#include "compose/project.hh"
#include "compose/state.hh"
#include "compose/work.hh"

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace hull::compose {

struct ContainerPlace;
struct ContainerRequest;

/// What one container will be.
enum class Change { keep, create, recreate, start, restart, remove };
std::string_view to_string(Change change);

struct ContainerChange {
    Change change = Change::keep;
    std::string name;
    int number = 0;
    std::optional<Container> existing;
    std::string reason;  ///< of a recreation: "ports[0].published: 80→81"
};

struct UpOptions {
    bool force_recreate = false, no_recreate = false, always_recreate_deps = false;
    bool renew_anonymous_volumes = false;
    bool no_start = false;
    bool remove_orphans = false;
    bool yes = false;                   ///< to every question
    std::map<std::string, int> scale;   ///< service -> containers
    std::vector<std::string> targets;   ///< services that were named; empty: all
    std::optional<int> stop_timeout_s;  ///< of containers that are replaced
    std::optional<int> wait_timeout_s;
};

/// What `up` will do, decided before anything is done.
struct Plan {
    std::map<std::string, std::vector<ContainerChange>> services;
    std::vector<Container> orphans;
    bool is_empty() const;
};

/// `image_ids`: service -> id of the image its containers should be made of; "" when unknown.
Plan make_plan(const Project& project, const State& state,
               const std::map<std::string, std::string>& image_ids, const UpOptions& options);

/// One line for each change: "web: recreate app-web-1: ports[0].published: 80→81".
std::string describe_plan(const Plan& plan);

/// Called with a container between its creation and its start, and with one that runs already.
using Created = std::function<void(const Container& container, bool is_new)>;

/// Does what the plan says, services side by side where their dependencies allow. Networks, volumes
/// and images are there. What ran before keeps running when its successor cannot be made.
void apply_plan(const Work& work, const Project& project, const Plan& plan,
                const std::map<std::string, std::string>& image_ids, const UpOptions& options,
                const Created& created = {});

/// Replaces the containers of a service one by one, each new one started and ready before the old
/// one goes; the old ones stay when a new one does not become ready.
void roll_service(const Work& work, const Project& project, const std::string& service,
                  const std::vector<ContainerChange>& changes, const std::string& image_id,
                  const UpOptions& options);

/// The replicas of a service as `options` and the file say.
int wanted_replicas(const Project& project, const std::string& service, const UpOptions& options);

/// Creates one container: request, further networks, injected files.
/// `adjust` may change the request.
Container create_container(client::Client& daemon, const Work& work, const Project& project,
                           const std::string& service_name, const Node& service,
                           const ContainerPlace& place,
                           const std::function<void(ContainerRequest&)>& adjust = {});

}  // namespace hull::compose
