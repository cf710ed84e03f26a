#pragma once
#include "api/types/container.hh"
#include "cli/flags.hh"
#include "cli/secret_values.hh"
#include "cli/values.hh"

#include <array>
#include <string>

namespace hull::cli {

class Session;

/// The flags that `create` and `run` share.
inline constexpr auto create_flags = std::to_array<Flag>({
    {"add-host", 0, FlagType::list, "Add a line to /etc/hosts (host:ip)", "", check_extra_host},
    {"annotation", 0, FlagType::map, "Add an annotation for the OCI runtime"},
    {"attach", 'a', FlagType::list, "Attach to STDIN, STDOUT or STDERR", "", check_attach},
    {"blkio-weight", 0, FlagType::unsigned_integer,
     "Relative block I/O weight, 10 to 1000, 0 for none", "0"},
    {"blkio-weight-device", 0, FlagType::list, "Relative block I/O weight of one device", "",
     check_weight_device},
    {"cap-add", 0, FlagType::list, "Add Linux capabilities"},
    {"cap-drop", 0, FlagType::list, "Drop Linux capabilities"},
    {"cgroup-parent", 0, FlagType::text, "Cgroup to make the container's cgroup in"},
    {"cgroupns", 0, FlagType::text, "Cgroup namespace: host or private"},
    {"cidfile", 0, FlagType::text, "Write the container's ID to this file"},
    {"cpu-count", 0, FlagType::integer, "Number of CPUs (Windows only)"},
    {"cpu-percent", 0, FlagType::integer, "Percentage of the CPUs (Windows only)"},
    {"cpu-period", 0, FlagType::integer, "Period of the CPU quota in microseconds"},
    {"cpu-quota", 0, FlagType::integer, "CPU time per period in microseconds"},
    {"cpu-rt-period", 0, FlagType::integer, "Period of real-time CPU time in microseconds"},
    {"cpu-rt-runtime", 0, FlagType::integer, "Real-time CPU time per period in microseconds"},
    {"cpu-shares", 'c', FlagType::integer, "Relative CPU weight"},
    {"cpus", 0, FlagType::decimal, "Number of CPUs, fractions included"},
    {"cpuset-cpus", 0, FlagType::text, "CPUs to run on (0-3, 0,1)"},
    {"cpuset-mems", 0, FlagType::text, "Memory nodes to use (0-3, 0,1)"},
    {"device", 0, FlagType::list, "Add a device of the host"},
    {"device-cgroup-rule", 0, FlagType::list, "Add a rule to the list of allowed devices"},
    {"device-read-bps", 0, FlagType::list, "Limit reads from a device, bytes per second", "",
     check_throttle_bytes},
    {"device-read-iops", 0, FlagType::list, "Limit reads from a device, operations per second", "",
     check_throttle_iops},
    {"device-write-bps", 0, FlagType::list, "Limit writes to a device, bytes per second", "",
     check_throttle_bytes},
    {"device-write-iops", 0, FlagType::list, "Limit writes to a device, operations per second", "",
     check_throttle_iops},
    {"disable-content-trust", 0, FlagType::boolean, "Do not verify the image's signature", "true"},
    {"dns", 0, FlagType::list, "DNS servers", "", check_ip},
    {"dns-opt", 0, FlagType::list, "DNS options", "", nullptr, true},
    {"dns-option", 0, FlagType::list, "DNS options"},
    {"dns-search", 0, FlagType::list, "DNS search domains"},
    {"domainname", 0, FlagType::text, "NIS domain name"},
    {"entrypoint", 0, FlagType::text, "Program to run instead of the image's entrypoint"},
    {"env", 'e', FlagType::list, "Set an environment variable", "", check_environment},
    {"env-file", 0, FlagType::list, "Read environment variables from a file"},
    {"expose", 0, FlagType::list, "Expose a port or a range of ports"},
    {"gpus", 0, FlagType::gpus, "GPUs to add ('all' for every one)"},
    {"group-add", 0, FlagType::list, "Add a supplementary group"},
    {"health-action", 0, FlagType::text,
     "What is done when it turns unhealthy (\"none\", \"restart\", \"stop\", \"kill\")"},
    {"health-cmd", 0, FlagType::text, "Command that checks the container's health"},
    {"health-file", 0, FlagType::text, "File that is there while the container is healthy"},
    {"health-http", 0, FlagType::text,
     "HTTP address in the container that answers when healthy ([http://[HOST]:]PORT[/PATH])"},
    {"health-interval", 0, FlagType::duration, "Time between two checks (ms|s|m|h)", "0s"},
    {"health-retries", 0, FlagType::integer, "Failures in a row that mean unhealthy"},
    {"health-start-interval", 0, FlagType::duration,
     "Time between two checks in the start period (ms|s|m|h)", "0s"},
    {"health-start-period", 0, FlagType::duration,
     "Time to start up before failures count (ms|s|m|h)", "0s"},
    {"health-tcp", 0, FlagType::text,
     "Port in the container that accepts when healthy ([HOST:]PORT)"},
    {"health-timeout", 0, FlagType::duration, "Longest time one check may take (ms|s|m|h)", "0s"},
    {"hostname", 'h', FlagType::text, "Host name of the container"},
    {"init", 0, FlagType::boolean, "Run an init that forwards signals and reaps processes"},
    {"interactive", 'i', FlagType::boolean, "Keep STDIN open even if not attached"},
    {"io-maxbandwidth", 0, FlagType::bytes, "I/O bandwidth of the system drive (Windows only)"},
    {"io-maxiops", 0, FlagType::integer, "I/O operations of the system drive (Windows only)"},
    {"ip", 0, FlagType::text, "IPv4 address"},
    {"ip6", 0, FlagType::text, "IPv6 address"},
    {"ipc", 0, FlagType::text, "IPC namespace: private, shareable, host, container:NAME or none"},
    {"isolation", 0, FlagType::text, "Isolation technology (Windows only)"},
    {"label", 'l', FlagType::list, "Set a label", "", check_label},
    {"label-file", 0, FlagType::list, "Read labels from a file, one a line"},
    {"link", 0, FlagType::list, "Link to another container"},
    {"link-local-ip", 0, FlagType::list, "Link-local address"},
    {"log-driver", 0, FlagType::text, "Where the output is logged"},
    {"log-opt", 0, FlagType::list, "Option of the log driver"},
    {"mac-address", 0, FlagType::text, "MAC address"},
    {"memory", 'm', FlagType::bytes, "Memory limit"},
    {"memory-reservation", 0, FlagType::bytes, "Memory that is left under pressure"},
    {"memory-swap", 0, FlagType::swap_bytes, "Limit of memory plus swap, -1 for no limit of swap"},
    {"memory-swappiness", 0, FlagType::integer, "Inclination to swap, 0 to 100", "-1"},
    {"mount", 0, FlagType::mount, "Mount a volume, a directory or a tmpfs"},
    {"name", 0, FlagType::text, "Name of the container"},
    {"net", 0, FlagType::network, "Network to connect to", "", nullptr, true},
    {"net-alias", 0, FlagType::list, "Alias in the network", "", nullptr, true},
    {"network", 0, FlagType::network, "Network to connect to"},
    {"network-alias", 0, FlagType::list, "Alias in the network"},
    {"no-healthcheck", 0, FlagType::boolean, "Turn the image's health check off"},
    {"oom-kill-disable", 0, FlagType::boolean, "Wait instead of killing when memory runs out"},
    {"oom-score-adj", 0, FlagType::integer, "Preference of the OOM killer (-1000 to 1000)"},
    {"pid", 0, FlagType::text, "PID namespace: host or container:NAME"},
    {"pids-limit", 0, FlagType::integer, "Number of processes, -1 for no limit"},
    {"platform", 0, FlagType::text, "Platform of the image (os[/arch[/variant]])"},
    {"privileged", 0, FlagType::boolean, "Give the container the rights of the host's root"},
    {"publish", 'p', FlagType::list, "Publish a port on the host"},
    {"publish-all", 'P', FlagType::boolean, "Publish every exposed port on a free one"},
    {"pull", 0, FlagType::text, "When to pull the image (\"always\", \"missing\", \"never\")",
     "missing"},
    {"quiet", 'q', FlagType::boolean, "Pull without progress"},
    {"read-only", 0, FlagType::boolean, "Mount the root file system read-only"},
    {"restart", 0, FlagType::text, "What to do when the container exits", "no"},
    {"rm", 0, FlagType::boolean, "Remove the container and its anonymous volumes when it exits"},
    {"runtime", 0, FlagType::text, "OCI runtime to use"},
    {"secret", 0, FlagType::list,
     "Secret as a file or a variable (NAME[,target=FILE|,env=NAME][,uid=,gid=,mode=])", "",
     check_secret_use},
    {"security-opt", 0, FlagType::list, "Security option"},
    {"shm-size", 0, FlagType::bytes, "Size of /dev/shm"},
    {"stop-signal", 0, FlagType::text, "Signal that asks the container to stop"},
    {"stop-timeout", 0, FlagType::integer, "Seconds to wait after that signal before killing"},
    {"storage-opt", 0, FlagType::list, "Option of the storage driver"},
    {"sysctl", 0, FlagType::map, "Kernel parameter", "", check_sysctl},
    {"tmpfs", 0, FlagType::list, "Mount a tmpfs directory"},
    {"tty", 't', FlagType::boolean, "Allocate a pseudo-terminal"},
    {"ulimit", 0, FlagType::ulimit, "Resource limit of processes"},
    {"user", 'u', FlagType::text, "User to run as (<name|uid>[:<group|gid>])"},
    {"userns", 0, FlagType::text, "User namespace: host"},
    {"uts", 0, FlagType::text, "UTS namespace: host"},
    {"volume", 'v', FlagType::list, "Mount a directory of the host or a volume"},
    {"volume-driver", 0, FlagType::text, "Driver of the volumes"},
    {"volumes-from", 0, FlagType::list, "Mount the volumes of another container"},
    {"workdir", 'w', FlagType::text, "Working directory inside the container"},
});

/// `first` and then `second`.
template <std::size_t N, std::size_t M>
constexpr std::array<Flag, N + M> concat(const std::array<Flag, N>& first,
                                         const std::array<Flag, M>& second) {
    std::array<Flag, N + M> all{};
    for (std::size_t i = 0; i < N; ++i) all[i] = first[i];
    for (std::size_t i = 0; i < M; ++i) all[N + i] = second[i];
    return all;
}

/// The create request that the flags and arguments ask for. Reads the files they name.
/// Throws invalid_argument with Docker's texts.
api::CreateRequest make_create_request(Session& session, const Arguments& arguments);

/// The platform asked for by flag or DOCKER_DEFAULT_PLATFORM, "" for the daemon's choice.
std::string chosen_platform(const Arguments& arguments);

struct CreatedContainer {
    std::string id;
};
/// Sends `request`: pulls as --pull says, writes --cidfile, prints warnings to standard error.
CreatedContainer create_container(Session& session, const Arguments& arguments,
                                  const api::CreateRequest& request);

}  // namespace hull::cli
