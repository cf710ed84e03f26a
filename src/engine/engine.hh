#pragma once
#include "api/types/container.hh"
#include "api/types/disk_usage.hh"
#include "api/types/exec.hh"
#include "api/types/network.hh"
#include "api/types/stats.hh"
#include "api/types/system.hh"
#include "base/fd.hh"
#include "base/file.hh"
#include "base/json.hh"
#include "base/stop.hh"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hull::db {
class Database;
}
namespace hull::files {
struct PathStat;
}
namespace hull::image {
class Images;
}
namespace hull::network {
class Networks;
}
namespace hull::store {
class Store;
}
namespace hull::task {
struct LogQuery;
}  // namespace hull::task

namespace hull::engine {

class EventFeed;
struct FollowedLog;

struct FsckReport;
class Secrets;
class VolumeService;

/// Where the engine keeps things and what containers get when a request does not say.
struct Options {
    Path data_root;                       ///< containers/, volumes/, seccomp/
    Path exec_root;                       ///< containers/<id>/shim.sock
    std::string cgroup_parent = "/hull";  ///< containers live in <parent>/<id>
    bool systemd_cgroups = false;  ///< systemd makes them: cgroup_parent is a slice, "a.slice"
    Path programs;                 ///< directory of hull-shim and hull-init
    std::string default_log_driver = "local";
    std::map<std::string, std::string> default_log_options;
    std::string default_ipc_mode = "private";
    std::string default_cgroupns_mode;  ///< "": private where cgroups are v2, else host
    std::vector<api::Ulimit> default_ulimits;
    bool debug = false;              ///< shown by info()
    bool no_new_privileges = false;  ///< for every container that does not say otherwise
    std::uint64_t default_shm_bytes = 64UL << 20;
    Path seccomp_profile;  ///< JSON file that replaces the built-in default profile; "unconfined"
    std::vector<std::string> dns;  ///< name servers for resolv.conf; the host's when empty
    std::vector<std::string> dns_search, dns_options;
    std::vector<std::string> labels;  ///< of the daemon, shown by info()
    bool init = false;                ///< `--init` for every container
    bool live = true;                 ///< adopt containers that still run
};

using Filters = std::map<std::string, std::vector<std::string>>;

struct Created {
    std::string id;
    std::vector<std::string> warnings;
};

struct RemoveOptions {
    bool force = false;
    bool volumes = false;
};

struct PruneReport {
    std::vector<std::string> deleted;  ///< ids, or what would be
    std::uint64_t freed_bytes = 0;
};

struct ListOptions {
    bool all = false;
    bool size = false;
    int limit = 0;  ///< newest `limit`, running or not; 0: no limit
    Filters filters;
    bool brief = false;  ///< without labels, networks, mounts and annotations
};

struct WaitResult {
    int status_code = 0;
    std::string error;  ///< empty: none
};

/// The end of a container that somebody waits for. One owner: the connection; the engine keeps the
/// shared state until it is answered.
class Waiter {
public:
    struct State;
    explicit Waiter(std::shared_ptr<State> state) : state_(std::move(state)) {}
    /// Readable once `find_result` has one, so that a server can poll it beside its client.
    int fd() const;
    std::optional<WaitResult> find_result() const;
    /// Blocks until there is a result; nullopt when `stop` was requested first.
    std::optional<WaitResult> wait(StopEvent& stop) const;

private:
    std::shared_ptr<State> state_;
};

/// Answers the HTTP request with "switching protocols" and gives the client's socket away. Called
/// once, after everything that can be refused has been; `terminal` decides the content type
/// (raw stream instead of multiplexed).
using Upgrade = std::function<Fd(bool terminal)>;

struct AttachOptions {
    bool logs = false;    ///< what was printed before, first
    bool stream = false;  ///< what is printed from now on
    bool use_stdin = false, use_stdout = false, use_stderr = false;
    bool multiplexed = true;  ///< Docker's frames, unless the container has a terminal
    std::string detach_keys;  ///< as typed: "ctrl-p,ctrl-q"; empty: the container's default
};

struct ExecStartOptions {
    bool detach = false;
    bool terminal = false;
    unsigned short rows = 0, columns = 0;
};

/// Published ports that come and go while a container runs; in Docker's form, "80/tcp" -> where.
struct PortChanges {
    api::PortMap added, removed;  ///< removed: a HostIp or HostPort that is "" means every one

    bool empty() const { return added.empty() && removed.empty(); }
};

/// What of a container is to be otherwise, its layer kept. Labels change at once; the rest takes
/// another run of it.
struct RecreateRequest {
    std::vector<std::string> environment;  ///< "NAME=value", over what there is
    std::vector<std::string> environment_removed;
    std::map<std::string, std::string> labels;
    std::vector<std::string> labels_removed;
    std::optional<std::vector<std::string>> command;
    std::vector<api::Mount> mounts;
    std::vector<std::string> mounts_removed;  ///< by destination
    bool dry_run = false;
};

struct RecreateReport {
    std::vector<std::string> live, restarting;  ///< "label x", "environment A", "mount /data"
    bool was_running = false;
};

struct StatsQuery {
    bool stream = true;     ///< a sample every second until the container is removed
    bool one_shot = false;  ///< not two samples for one answer; only without `stream`
};

struct EventQuery {
    std::optional<std::int64_t> since_ns, until_ns;  ///< until in the past: no waiting
    Filters filters;
};

struct WritePathOptions {
    bool keep_kinds = false;          ///< never replace a directory by a file or the reverse
    bool use_container_user = false;  ///< new files belong to the container's user
};

struct CommitRequest {
    std::string reference;  ///< "" makes a dangling image
    std::string author, comment;
    bool pause = true;
    api::ContainerConfig config;  ///< of the request's body: goes over the container's
    /// Makes the config of the --change lines, given the directory they are relative to.
    std::function<json::Value(const std::string& working_dir)> changes;
};

/// The container of one RUN step of a build: on layers that need be no image.
struct StepRequest {
    api::CreateRequest container;  ///< complete: nothing is merged into it
    std::string image_id;          ///< of the stage's base, for those who ask which image it is of
    std::vector<std::string> diff_ids;
};

/// How the layer of a step is written.
struct StepLayerOptions {
    std::int64_t newest_mtime_s = 0;  ///< later times become this one
    /// Where something was mounted for the step: what was made for that stays out.
    std::vector<std::string> mount_points;
};

/// All containers of one daemon. Every method may be called from any thread; methods named `list_`
/// and `inspect_` never wait for a container. Names are a full id, a name, or an unambiguous id
/// prefix, in that order; the error of a miss is Docker's "No such container: NAME".
class Engine {
public:
    /// Loads the records, adopts what still runs and settles what ended while no daemon ran.
    Engine(Options options, image::Images& images, store::Store& store, network::Networks& networks,
           db::Database& database);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // Life cycle.
    Created create_container(const std::string& name, const api::CreateRequest& request);
    /// It is a container like others, without a restart: the caller keeps the layers, and removes
    /// it. One whose daemon is gone is removed by the next one.
    Created create_step(const StepRequest& request);
    /// The tar of what an ended step has changed.
    void read_step_layer(const std::string& id, const StepLayerOptions& options, int output_fd,
                         StopEvent& stop);
    /// Throws not_modified when it runs already.
    void start_container(const std::string& name, const std::string& detach_keys);
    /// `timeout_s`: seconds before SIGKILL; -1 waits for ever; absent: the container's own. Returns
    /// a warning when the signal could not be heard, "" for none.
    std::string stop_container(const std::string& name, const std::optional<std::string>& signal,
                               std::optional<int> timeout_s);
    void restart_container(const std::string& name, const std::optional<std::string>& signal,
                           std::optional<int> timeout_s);
    /// `signal`: "SIGTERM", "TERM", "15"; empty: KILL.
    void kill_container(const std::string& name, const std::string& signal);
    /// Takes its names in networks away, so that no new work finds it; it runs on. Hull's own.
    void drain_container(const std::string& name);
    void pause_container(const std::string& name);
    void unpause_container(const std::string& name);
    void rename_container(const std::string& name, const std::string& new_name);
    void remove_container(const std::string& name, const RemoveOptions& options);
    PruneReport prune_containers(const Filters& filters, bool dry_run = false);
    /// Changes limits, at once when it runs, and the restart policy: what is zero or absent in
    /// `changes` stays. Returns warnings. Throws conflict for what excludes a limit it has.
    std::vector<std::string> update_container(const std::string& name,
                                              const api::HostConfig& changes,
                                              const PortChanges& ports = {});

    /// All or nothing: when it does not start again it is what it was before, and runs as such.
    RecreateReport recreate_container(const std::string& name, const RecreateRequest& request);

    // Streams.
    /// `condition`: "" or "not-running", "next-exit", "removed".
    Waiter wait_container(const std::string& name, const std::string& condition);
    /// Returns once the socket is handed over: to the shim, or kept for the next start.
    void attach_container(const std::string& name, const AttachOptions& options,
                          const Upgrade& upgrade);
    /// The log there is, and what comes until the container ends; see feeds.hh.
    FollowedLog container_logs(const std::string& name, const task::LogQuery& query);
    /// What each entry of its log carries besides the text, for `logs --details`.
    std::map<std::string, std::string> container_log_attributes(const std::string& name);
    void resize_container(const std::string& name, unsigned short rows, unsigned short columns);

    // Views.
    /// Newest first.
    std::vector<api::ContainerSummary> list_containers(const ListOptions& options);
    api::ContainerInspect inspect_container(const std::string& name, bool size);
    /// From /proc, in the columns of `ps -ef`.
    api::TopResponse top_container(const std::string& name, const std::string& ps_arguments);
    /// What the container uses of the machine, without asking it. One that does not run gives
    /// zeros. `begin` is called once before the first sample; ends when `sink` returns false, the
    /// container is removed, or `stop`. Throws invalid_argument for `stream` with `one_shot`.
    void container_stats(const std::string& name, const StatsQuery& query,
                         const std::function<void()>& begin,
                         const std::function<bool(const api::ContainerStats&)>& sink,
                         StopEvent& stop);
    /// Ids of containers made from `image_id` ("sha256:..."), running ones first. For rmi.
    struct ImageUse {
        std::string container_id;
        bool running = false;
    };
    std::vector<ImageUse> list_image_users(const std::string& image_id);

    // Files. Descriptors are lent. `stop` ends the work with `cancelled`.
    files::PathStat stat_path(const std::string& name, const std::string& path, StopEvent& stop);
    /// Writes the tar of what is at `path` to `output_fd`; `begin` is called before the first byte.
    void read_path(const std::string& name, const std::string& path,
                   const std::function<void(const files::PathStat&)>& begin, int output_fd,
                   StopEvent& stop);
    /// Unpacks a tar (also compressed) in the directory at `path`.
    void write_path(const std::string& name, const std::string& path,
                    const WritePathOptions& options, int input_fd, StopEvent& stop);
    /// The tar of the root file system without volumes.
    void export_container(const std::string& name, const std::function<void()>& begin,
                          int output_fd, StopEvent& stop);
    /// Docker's list of changes as JSON text: an array, or null when there are none.
    std::string list_changes(const std::string& name, StopEvent& stop);
    /// Makes an image of a container and returns its id.
    std::string commit_container(const std::string& name, const CommitRequest& request,
                                 StopEvent& stop);

    /// Sum of the sizes of all layers, in bytes.
    std::uint64_t layer_bytes();
    /// All that concerns volumes (engine/volume_service.hh).
    VolumeService& volumes();
    /// All that concerns secrets (engine/secrets.hh).
    Secrets& secrets();

    // Exec.
    std::string create_exec(const std::string& name, const api::ExecCreateRequest& request);
    /// Returns once the process runs. A failure after the upgrade is written to the client, too.
    void start_exec(const std::string& exec_id, const ExecStartOptions& options,
                    const Upgrade& upgrade);
    api::ExecInspect inspect_exec(const std::string& exec_id);
    void resize_exec(const std::string& exec_id, unsigned short rows, unsigned short columns);

    // Networks. By id, name or unambiguous prefix of an id.
    api::NetworkInspect create_network(const api::NetworkCreateRequest& request);
    void remove_network(const std::string& name);
    /// By name, without their containers.
    std::vector<api::NetworkInspect> list_networks(const Filters& filters);
    api::NetworkInspect inspect_network(const std::string& name);
    /// Removes those that no container has. Returns their names.
    std::vector<std::string> prune_networks(const Filters& filters, bool dry_run = false);
    /// At once when the container runs.
    void connect_network(const std::string& network, const std::string& container,
                         const api::EndpointSettings& settings);
    void disconnect_network(const std::string& network, const std::string& container);

    // The daemon.
    /// Everything below the data root (engine/fsck.hh). `repair` mends what can be without losing
    /// data of the user; `verify` reads all blobs.
    FsckReport fsck(bool repair, bool verify);
    /// Of Options, what changes without a restart.
    struct Reloaded {
        bool debug = false;
        std::vector<std::string> labels;
    };
    /// `attributes`: of the event that tells of it.
    void reload(Reloaded options, std::map<std::string, std::string> attributes);
    /// Stops all containers, each with its own signal and at most `timeout_s` before SIGKILL, for a
    /// daemon that takes them with it. Those that the restart policy says come back with the next
    /// one.
    void shut_down(int timeout_s);
    api::SystemInfo info();
    api::SystemVersion version();
    /// The events of `query`; see feeds.hh. Throws invalid_argument "invalid filter 'x'".
    std::unique_ptr<EventFeed> follow_events(const EventQuery& query);
    /// Publishes an event of another noun, for example type "image", action "tag".
    void publish_event(std::string_view type, std::string_view action, const std::string& actor_id,
                       const std::map<std::string, std::string>& attributes);

private:
    class Implementation;
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace hull::engine
