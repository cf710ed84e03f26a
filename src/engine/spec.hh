#pragma once
#include "api/types/exec.hh"
#include "engine/engine.hh"
#include "engine/host.hh"
#include "engine/record.hh"
#include "engine/seccomp_cache.hh"
#include "oci/runtime_spec.hh"

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace hull::engine {

/// The docker-default profile of this host.
struct AppArmorDefault {
    bool is_loaded = false;
    std::string problem;  ///< it should be and could not be: what needs it does not start
};

/// The profile of a container's processes, "" on hosts without AppArmor and where nothing confines
/// it. Throws unavailable when it needs docker-default and that could not be loaded.
std::string apparmor_profile(const Definition& definition, const Host& host,
                             const AppArmorDefault& standard);

/// All a spec is made from.
struct SpecInputs {
    const Definition& definition;
    const Options& options;
    const Host& host;
    Path directory;  ///< the container's, which is its bundle
    const SeccompChoice& seccomp;
    AppArmorDefault default_apparmor;
    /// Init of the container that "container:NAME" names. Throws conflict when it does not run.
    std::function<pid_t(const std::string& name)> get_pid;
    /// The definition's plan with volumes mounted; null: not mounted, as for an exec.
    const std::vector<PlannedMount>* mounts = nullptr;
    std::string network_namespace = {};                ///< made already; "": by the runtime
    std::vector<std::string> secret_environment = {};  ///< goes over the config's
    Path network_files = {};  ///< where hosts, hostname and resolv.conf are; "": `directory`
};

/// Docker's runtime spec for a container. Reads host devices and other containers' pids, changes
/// nothing.
oci::Spec make_spec(const SpecInputs& inputs);

/// The limits of make_spec alone, without device rules.
oci::Resources make_resources(const api::HostConfig& host);

/// Profile text to compile; "" is unconfined.
std::string seccomp_profile_text(const Definition& definition, const Options& options);

/// PATH, HOSTNAME, TERM, and the config's Env over them.
std::vector<std::string> make_environment(const api::ContainerConfig& config, bool terminal);

/// The process of an exec: the container's, with the request's differences.
oci::Process make_exec_process(const SpecInputs& inputs, const api::ExecCreateRequest& request);

/// True when the container's network is a namespace of its own.
bool has_private_network(const api::HostConfig& host);
/// "container:NAME" -> NAME, else "".
std::string container_of_mode(const std::string& mode);
std::string cgroup_path(std::string parent, const std::string& id, const Options& options);
std::string cgroup_path(const Definition& definition, const Options& options);

}  // namespace hull::engine
