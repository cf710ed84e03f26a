#pragma once
#include "compose/project.hh"
#include "compose/state.hh"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hull::compose {

/// Told of every change of state; called from many threads.
class Reporter {
public:
    virtual ~Reporter() = default;
    /// "Container", "app-web-1", "Started".
    virtual void event(std::string_view kind, std::string_view name, std::string_view what) = 0;
    virtual void warn(std::string_view text) = 0;
};

/// How commands reach the daemon and tell what they do.
struct Work {
    Connect connect;
    Reporter* reporter = nullptr;
    int parallel = -1;
};

// One container each; every call is told.
void start_container(client::Client& daemon, const Work& work, const Container& container,
                     const Project* project = nullptr);
void stop_container(client::Client& daemon, const Work& work, const Container& container,
                    std::optional<int> timeout_s, const Project* project = nullptr);
void remove_container(client::Client& daemon, const Work& work, const Container& container,
                      bool force, bool volumes);

/// Runs a service's hooks (post_start, pre_stop) in a container, one after the other.
/// Throws internal when one fails.
void run_hooks(client::Client& daemon, const Container& container, const Node& hooks,
               const std::string& name);

/// Waits until a container of a dependency is what `condition` says. Throws unavailable
/// "dependency failed to start: container x is unhealthy".
void wait_for_condition(client::Client& daemon, const Work& work, const Container& container,
                        const std::string& condition, std::optional<int> timeout_s);

/// Waits until a container runs and, with a health check, is healthy (`up --wait`).
void wait_until_ready(client::Client& daemon, const Work& work, const Container& container,
                      std::optional<int> timeout_s);

// Networks and volumes of the project.
/// Creates what is missing. Throws not_found for external ones that do not exist and conflict for
/// those of another directory's project. With `dry_run` only tells.
void ensure_networks(client::Client& daemon, const Work& work, const Project& project,
                     bool dry_run);
void ensure_volumes(client::Client& daemon, const Work& work, const Project& project, bool dry_run);
/// What the daemon has at `path`: null when nothing is there.
json::Value find_resource(client::Client& daemon, const std::string& path);
/// Why a network or a volume is not what `now` says; "" when it is or nobody knows. `hash` is
/// docker compose's of `now`.
std::string resource_changes(const json::Value& found, const Node& now, const std::string& hash);
/// A label of a network or a volume, "" when it has none of that name.
std::string label_of(const json::Value& resource, const char* name);
void remove_networks(client::Client& daemon, const Work& work, const std::string& project,
                     const std::string& directory);
void remove_volumes(client::Client& daemon, const Work& work, const std::string& project,
                    const std::string& directory);

/// Throws conflict when another directory has containers of a project of this name.
void refuse_other_directories(const State& state, const Project& project);

}  // namespace hull::compose
