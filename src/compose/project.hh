#pragma once
#include "compose/environment.hh"
#include "compose/interpolate.hh"
#include "compose/node.hh"

#include <optional>
#include <string>
#include <vector>

namespace hull::compose {

/// How a project is named and found; what a user gives on the command line.
struct LoadOptions {
    std::vector<std::string> files;  ///< "-" is standard input
    std::string project_name, project_directory;
    std::vector<std::string> env_files, profiles;
    std::string working_directory;  ///< ours
    bool interpolate = true, normalise = true, resolve_paths = true, resolve_environment = true,
         check_consistency = true;
    bool all_resources = false;
};

/// A Compose project: its files as one tree in the long form.
struct Project {
    std::string name;
    std::string directory;           ///< absolute
    std::vector<std::string> files;  ///< absolute
    std::vector<std::string> env_files;
    Environment environment;  ///< for interpolation
    Interpolation seen;
    Node root;      ///< "services", "networks", "volumes", …; only enabled services
    Node disabled;  ///< services whose profile is not active
    std::vector<std::string> all_profiles;
    std::vector<std::string> active_profiles;
    std::vector<std::string> warnings;

    const Node& services() const { return root["services"]; }
    /// Throws not_found "no such service: x".
    const Node& get_service(const std::string& service) const;
    std::vector<std::string> service_names() const;  ///< sorted
};

/// Finds, reads, interpolates, checks and merges the files. Throws invalid_argument, one problem a
/// line, each with its place; not_found when there is no file.
Project load_project(const LoadOptions& options);

/// Enables the services that are named although their profile is not active.
void enable_services(Project& project, const std::vector<std::string>& names);
/// Keeps only these services and, with `dependencies`, what they depend on.
void select_services(Project& project, const std::vector<std::string>& names, bool dependencies);

/// The name and environment alone: for commands that work without a file. nullopt: nothing names
/// it.
std::optional<std::string> find_project_name(const LoadOptions& options);

/// The services in an order in which each comes after what it depends on.
/// Throws invalid_argument "dependency cycle detected: a -> b -> a".
std::vector<std::string> dependency_order(const Project& project);
/// Names in depends_on.
std::vector<std::string> dependencies_of(const Node& service);

/// How many containers a service asks for.
int replicas_of(const Node& service);

}  // namespace hull::compose
