#pragma once
#include "base/locked.hh"
#include "db/database.hh"
#include "engine/cleaner.hh"
#include "engine/container.hh"
#include "engine/engine.hh"
#include "engine/events.hh"
#include "engine/feeds.hh"
#include "engine/files.hh"
#include "engine/files_run.hh"
#include "engine/host.hh"
#include "engine/prober.hh"
#include "engine/restarter.hh"
#include "engine/seccomp_cache.hh"
#include "engine/secrets.hh"
#include "engine/spec.hh"
#include "engine/staged_mounts.hh"
#include "engine/table.hh"
#include "engine/volume_service.hh"
#include "image/images.hh"
#include "network/networks.hh"
#include "store/store.hh"
#include "task/log_watch.hh"
#include "task/task.hh"

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hull::engine {

/// One exec: a further process in a container.
struct Exec {
    std::string id, container_id;
    api::ExecCreateRequest request;
    std::int64_t created_ns = 0;  ///< monotonic
    std::mutex mutex;             ///< guards what follows
    bool started = false, running = false;
    std::optional<int> exit_code;
    pid_t pid = 0;
    std::int64_t finished_ns = 0;  ///< monotonic, 0: not yet
};
using ExecPointer = std::shared_ptr<Exec>;  ///< the table and whoever works on it own it

/// Behind Engine. Its functions are spread over create.cc, step.cc, lifecycle.cc, streams.cc,
/// exec.cc, container_files.cc, views.cc, networks.cc, update.cc, disk_usage.cc, stats.cc,
/// health.cc, records.cc and recovery.cc.
class Engine::Implementation : public task::Listener, public VolumeFiles, public Secrets::Owner {
public:
    Implementation(Options options, image::Images& images, store::Store& store,
                   network::Networks& networks, db::Database& database);
    ~Implementation() override;

    // create.cc
    Created create(const std::string& name, api::CreateRequest request);

    // step.cc
    Created create_step(const StepRequest& request);
    void read_step_layer(const std::string& id, const StepLayerOptions& options, int output_fd,
                         StopEvent& stop);

    // lifecycle.cc
    void start(const std::string& name, const std::string& detach_keys);
    /// `request` names who asked, for the reason of the end.
    std::string stop(const std::string& name, const std::optional<std::string>& signal,
                     std::optional<int> timeout_s, const std::string& request = "stop");
    void drain(const std::string& name);
    void restart(const std::string& name, const std::optional<std::string>& signal,
                 std::optional<int> timeout_s, const std::string& request = "stop");
    void kill(const std::string& name, const std::string& signal);
    void pause(const std::string& name, bool pause);
    void rename(const std::string& name, std::string new_name);
    void remove(const std::string& name, const RemoveOptions& options);
    PruneReport prune(const Filters& filters, bool dry_run);
    void on_exit(const std::string& id, const task::ExitRecord& record) override;
    void on_exec_exit(const std::string& id, const std::string& exec_id, int code) override;
    void on_oom(const std::string& id) override;
    void on_detach(const std::string& id, const std::string& exec_id) override;

    // streams.cc
    Waiter wait(const std::string& name, const std::string& condition);
    void attach(const std::string& name, const AttachOptions& options, const Upgrade& upgrade);
    FollowedLog logs(const std::string& name, const task::LogQuery& query);
    std::map<std::string, std::string> container_log_attributes(const std::string& name);
    void resize(const std::string& name, unsigned short rows, unsigned short columns);

    // container_files.cc
    files::PathStat stat_path(const std::string& name, const std::string& path, StopEvent& stop);
    void read_path(const std::string& name, const std::string& path,
                   const std::function<void(const files::PathStat&)>& begin, int output_fd,
                   StopEvent& stop);
    void write_path(const std::string& name, const std::string& path,
                    const WritePathOptions& options, int input_fd, StopEvent& stop);
    void export_root(const std::string& name, const std::function<void()>& begin, int output_fd,
                     StopEvent& stop);
    std::string changes(const std::string& name, StopEvent& stop);
    std::string commit(const std::string& name, const CommitRequest& request, StopEvent& stop);

    // exec.cc
    std::string create_exec(const std::string& name, const api::ExecCreateRequest& request);
    void start_exec(const std::string& exec_id, const ExecStartOptions& options,
                    const Upgrade& upgrade);
    api::ExecInspect inspect_exec(const std::string& exec_id);
    void resize_exec(const std::string& exec_id, unsigned short rows, unsigned short columns);

    // views.cc
    std::vector<api::ContainerSummary> list(const ListOptions& options);
    api::ContainerInspect inspect(const std::string& name, bool size);
    api::TopResponse top(const std::string& name, const std::string& ps_arguments);
    std::vector<ImageUse> image_users(const std::string& image_id);
    api::SystemInfo info();
    api::SystemVersion version();

    // networks.cc
    api::NetworkInspect create_network(const api::NetworkCreateRequest& request);
    void remove_network(const std::string& name);
    std::vector<api::NetworkInspect> list_networks(const Filters& filters);
    api::NetworkInspect inspect_network(const std::string& name);
    void add_sharers(api::NetworkInspect& view, const std::string& mode);
    std::vector<std::string> prune_networks(const Filters& filters, bool dry_run);
    void connect_network(const std::string& network_name, const std::string& container_name,
                         const api::EndpointSettings& settings);
    void disconnect_network(const std::string& network_name, const std::string& container_name);

    // update.cc
    std::vector<std::string> update(const std::string& name, const api::HostConfig& changes,
                                    const PortChanges& ports);

    // fsck_engine.cc
    FsckReport fsck(bool repair, bool verify);

    // shutdown.cc
    void reload(Reloaded options, std::map<std::string, std::string> attributes);
    void shut_down(int timeout_s);

    // recreate.cc
    RecreateReport recreate(const std::string& name, const RecreateRequest& request);

    // volume_files.cc
    api::Volume clone_volume(const std::string& name, const std::string& new_name, bool snapshot,
                             StopEvent& stop) override;
    void export_volume(const std::string& name, const std::function<void()>& begin, int output_fd,
                       StopEvent& stop) override;
    api::Volume import_volume(const std::string& name, int input_fd, StopEvent& stop) override;

    // disk_usage.cc
    std::uint64_t layer_bytes();

    // stats.cc
    void stats(const std::string& name, const StatsQuery& query, const std::function<void()>& begin,
               const std::function<bool(const api::ContainerStats&)>& sink, StopEvent& stop);

    EventBus events;
    VolumeService volumes;
    Secrets secrets;

private:
    std::vector<StagedMounts::SecretFile> secret_files(const Definition& definition) const;
    std::string find_secret_user(const std::string& secret) override;
    void publish_secret(std::string_view action, const api::Secret& secret) override;
    // create.cc
    /// What a container is made on.
    struct Base {
        std::string image_id;
        std::vector<std::string> diff_ids;
        const oci::ImageConfigBlock* config = nullptr;
        bool is_step = false;
    };
    Created create_on(const Base& base, const std::string& name, api::CreateRequest request);
    Definition make_definition(const std::string& id, api::CreateRequest& request,
                               const Base& base);
    std::vector<PlannedMount> inherited_mounts(const api::HostConfig& host);
    // copy_up.cc
    void copy_up(const Definition& definition);
    void check_donors(const api::HostConfig& host);

    // lifecycle.cc
    void start_locked(Container& container);
    std::vector<std::shared_ptr<const Fd>> prepare_bundle(
        const Record& record, const std::vector<PlannedMount>& mounts,
        const std::optional<network::Attached>& attached);
    void fail_start(Container& container, const std::string& error, int exit_code);
    void handle_exit(Container& container, const task::ExitRecord& record);
    bool should_restart(const Record& record, const task::ExitRecord& exit) const;
    void schedule_restart(const Container& container, std::uint64_t ticket, std::int64_t delay_ns);
    void run_scheduled_restart(const std::string& id, std::uint64_t ticket);
    void signal_running(Container& container, int signal_number, const std::string& request,
                        const std::string& detail = "");
    bool wait_until_stopped(Container& container, std::int64_t timeout_ns);
    void kill_and_wait(Container& container, const std::string& request,
                       const std::string& detail = "");
    std::string stop_locked_out(Container& container, int signal_number, int timeout_s,
                                const std::string& request);
    void finish_removal(Container& container, bool with_volumes);
    void answer_waiters(Container& container, bool removed, const WaitResult& result);
    /// Of a running container, as its shim wrote it down: the daemon before us may have had
    /// another driver.
    linux_::Cgroup running_cgroup(const Definition& definition);
    void set_frozen(const Definition& definition, bool frozen);

    // container_files.cc
    files::Request files_request(const std::string& name, files::Verb verb,
                                 const Definition& definition) const;
    void run_on_files(const Record& record, FilesCommand command,
                      const std::function<void(const std::optional<files::PathStat>&)>& ready,
                      StopEvent& stop);
    /// `write` runs `command`, which reads the archive from `input_fd` as records.
    void write_records(const std::function<void()>& write, FilesCommand& command, int input_fd);
    std::string commit_layer(const std::string& name, const Record& record,
                             const image::CommitOptions& options, StopEvent& stop);

    // records.cc
    void insert_row(const Record& record);
    void delete_row(const std::string& id);
    /// With container.mutex held. Never fails for want of space: what has happened is seen at once
    /// and written as soon as that is possible. Until then the shim's files stand in for the row.
    void update_state(Container& container, const std::function<void(RunState&)>& change);
    /// The same without a row: for what may be lost with the daemon.
    void show_state(Container& container, const std::function<void(RunState&)>& change);
    /// For `update_state`: a new run has begun.
    void begin_run(RunState& state, pid_t pid, unsigned long long start_time,
                   std::int64_t started_ns) const;
    /// Takes container.mutex. Throws when the row cannot be written; then nothing has changed.
    void write_definition(Container& container, std::shared_ptr<const Definition> definition);
    bool write_state(const Container& container);
    void save_later(const std::string& id);
    void save_unsaved();
    void remove_ended(Container& container);
    void publish(const Record& record, std::string_view action,
                 std::map<std::string, std::string> extra = {});

    // recovery.cc
    void load_records();
    void adopt_all();
    void adopt(Container& container);
    bool settle_unrecorded_run(Container& container);
    void remove_steps();
    void remove_strays();

    // networks.cc
    void add_networks(const Definition& definition, const std::string& name,
                      const api::NetworkingConfig& networking);
    std::optional<network::Attached> start_networks(const Definition& definition);
    network::SandboxPointer stop_networks(const std::string& id);
    void restore_networks();
    NetworkNames network_names(const Definition& definition, const network::Sandbox* sandbox);
    void add_link(const network::Sandbox& sandbox, const std::string& alias,
                  const std::string& name, NetworkNames& names);
    void refresh_network_files(const Record& record, const network::Sandbox& sandbox);
    void publish_network(const network::Network& network, std::string_view action,
                         const std::string& container);
    void publish_endpoints(const network::Sandbox& sandbox, std::string_view action);

    // streams.cc
    void write_past_logs(const Record& record, const AttachOptions& options, int socket);

    // update.cc
    void set_limits(const Definition& definition);
    void change_ports(const Definition& definition, const PortChanges& ports);

    // fsck_engine.cc
    void check_containers(bool repair, FsckReport& report);
    void check_volumes(FsckReport& report);
    void check_mounts(bool repair, FsckReport& report);

    // shutdown.cc
    void stop_for_shutdown(Container& container, int timeout_s);

    // recreate.cc
    std::unique_lock<std::mutex> stop_for_recreate(Container& container);
    void undo_recreate(Container& container, const RecordPointer& before,
                       const std::vector<PlannedMount>& added, bool restarts);

    // health.cc
    static void begin_health(RunState& state, const Definition& definition);
    void watch_health(Container& container);
    void schedule_probe(const std::string& id, std::uint64_t ticket, std::int64_t delay_ns);
    void start_probe(const std::string& id, std::uint64_t ticket);
    void start_native_probe(const Record& record, std::uint64_t ticket, const HealthCheck& check);
    std::function<void(ProbeResult)> probe_result_taker(const std::string& id,
                                                        std::uint64_t ticket);
    void act_on_unhealthy(const Record& record, std::uint64_t ticket);
    void kill_probe(const std::string& id, const std::string& exec_id);
    void take_probe_result(const std::string& id, std::uint64_t ticket, const ProbeResult& result);

    // stats.cc
    api::ContainerStats sample_stats(const Record& record);

    // exec.cc
    ExecPointer get_exec(const std::string& exec_id);
    void forget_old_execs();
    void end_execs(Container& container);
    void publish_exec(const Exec& exec, std::string action,
                      std::map<std::string, std::string> extra);

    SpecInputs spec_inputs(const Definition& definition, const SeccompChoice& seccomp);
    SeccompChoice seccomp_of(const Definition& definition);
    pid_t running_pid(const std::string& name);
    Path staging_directory() const { return join(options_.exec_root, "mounts"); }
    ContainerPaths paths(const std::string& id) const { return ContainerPaths(options_, id); }

    const Options options_;
    mutable Locked<Reloaded> reloaded_;
    std::atomic<bool> shutting_down_ = false;
    image::Images& images_;
    store::Store& store_;
    network::Networks& networks_;
    db::Database& database_;
    const Host host_;
    AppArmorDefault default_apparmor_;
    std::string daemon_id_;
    Table table_;
    SeccompCache seccomp_;

    /// How containers ended that are gone already: `wait` is answered for a while (R19).
    struct Ended {
        std::string id, name;
        WaitResult result;
        std::int64_t at_ns = 0;
    };
    Locked<std::deque<Ended>> ended_;
    Locked<std::map<std::string, ExecPointer>> execs_;

    task::LogWatch log_watch_;
    Cleaner cleaner_;
    Restarter restarter_;
    Prober prober_;
    task::Tasks tasks_;  ///< last: its thread calls us, so it goes first
};

}  // namespace hull::engine
