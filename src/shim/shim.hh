#pragma once
#include "base/fd.hh"
#include "linux/cgroup.hh"
#include "shim/connections.hh"
#include "shim/launch_config.hh"
#include "shim/log_writer.hh"
#include "shim/loop.hh"
#include "shim/protocol.hh"
#include "shim/stdio.hh"

#include <signal.h>
#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hull::shim {

/// What every shim does before all else: an own session, no working directory, no signal that ends
/// it, no descriptors but 0, 1, 2 and the daemon's channel (3), parent of all orphans below it.
void detach_from_caller();

/// What a spare shim does: waits for the daemon's message, which is the path of a launch file and
/// the descriptor of the shim's log. nullopt: the daemon is gone.
std::optional<Path> wait_for_launch(const Fd& daemon);

/// The whole life of a shim: `launch_file` is read, then a Shim runs. What goes wrong before the
/// container runs is reported on `daemon`. Returns the exit code of the program.
int run(const Path& launch_file, Fd daemon);

/// The parent of one container: starts it, holds its streams, writes its log, records its exit.
class Shim final : private RequestHandler {
public:
    explicit Shim(LaunchConfig config);
    ~Shim();
    /// Waits on `daemon` for attachments and Start, and launches the container. Throws when that
    /// fails, and `daemon` is still the caller's then; nothing else is left.
    void start(Fd& daemon);
    /// Serves the container to its end.
    void serve();

private:
    /// A further process in the container.
    struct Exec {
        std::string id;
        pid_t pid = 0;
        std::unique_ptr<Stdio> stdio;
        bool has_ended = false, is_acknowledged = false;
        std::int64_t grace_ends_ns = 0, acknowledge_ends_ns = 0;
        bool clients_ended = false;
    };
    struct Callback final : Watcher {
        Callback(Shim& owner, void (Shim::*call)()) : shim(owner), function(call) {}
        void on_ready(std::uint32_t) override { (shim.*function)(); }
        Shim& shim;
        void (Shim::*function)();
    };

    StartResult launch(int daemon, std::vector<Fd> layers);
    struct Beginning {
        std::vector<std::pair<AttachOptions, Fd>> attachments;
        std::vector<Fd> layers;
    };
    static Beginning receive_beginning(int daemon);
    void finish();

    Reply handle(Request request, std::vector<Fd> fds) override;
    StartResult exec(request::Exec request, std::optional<Fd> client);
    Stdio& stdio_of(const std::string& exec_id);
    Exec* find_exec(const std::string& exec_id);

    void on_child();
    void reap();
    void on_exec_end(Exec& exec, int code);
    void settle_execs();
    int wait_ms() const;
    void release_memory();

    void on_oom();
    void report_oom();
    void end_stragglers();
    ExitRecord make_exit_record() const;
    void write_state_file() const;
    void remove_state_file() const;

    LaunchConfig config_;
    std::string cgroup_path_;
    std::optional<linux_::Cgroup> cgroup_;
    bool has_poststop_hooks_ = false;
    Loop loop_;
    ReadBuffer buffer_;
    std::unique_ptr<LogWriter> log_;
    std::unique_ptr<Stdio> stdio_;
    Connections connections_;
    std::vector<Exec> execs_;
    Fd signals_, oom_event_;
    Callback child_callback_, oom_callback_;
    /// Held so that init's exit does not tear down its mounts before we could tell of it.
    std::vector<Fd> namespaces_;
    pid_t init_ = 0;
    unsigned long long init_start_time_ = 0;
    std::optional<siginfo_t> init_exit_;
    std::int64_t exited_at_ns_ = 0;
    std::uint64_t oom_kills_reported_ = 0;
    int oom_checks_left_ = 0;
};

}  // namespace hull::shim
