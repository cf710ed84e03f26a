#pragma once
#include "base/fd.hh"
#include "base/file.hh"
#include "oci/runtime_spec.hh"
#include "shim/protocol.hh"

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hull::task {

/// A client socket handed to the shim, which serves it until the end of the process or a detach.
struct Attachment {
    Fd socket;
    bool use_stdin = false, use_stdout = false, use_stderr = false;
    bool multiplexed = true;
    std::string detach_keys;  ///< decoded bytes; "" is ctrl-p ctrl-q
};

using shim::ExecRequest;
using shim::ExitRecord;
using shim::StartResult;

/// Told what happens to tasks. One monitor thread calls these, never with a lock of Tasks held.
class Listener {
public:
    virtual ~Listener() = default;
    /// The exit record is on disk and all output is in the log. Called once per start or adopt.
    virtual void on_exit(const std::string& id, const ExitRecord& record) = 0;
    virtual void on_exec_exit(const std::string& id, const std::string& exec_id, int code) = 0;
    virtual void on_oom(const std::string& id) = 0;
    /// A client left by the detach keys; `exec_id` "" is init.
    virtual void on_detach(const std::string& id, const std::string& exec_id) = 0;
};

/// The running containers of one daemon. Thread-safe. A call into a shim that is not answered
/// within 2 s (start: 30 s, exec: 10 s) throws unavailable; a call for a container that does not
/// run throws conflict. A process may end before `start` or `exec` has returned, so on_exit and
/// on_exec_exit may come first. When `start` or `exec` fails, the sockets are closed but not shut
/// down: a caller that kept a duplicate can still answer on it.
class Tasks {
public:
    /// Starts the monitor thread. `exec_root` holds containers/<id>/ (shim.sock, shim.json).
    Tasks(Path shim_program, Path exec_root, Listener& listener);
    ~Tasks();  ///< stops watching; containers and shims go on
    Tasks(const Tasks&) = delete;
    Tasks& operator=(const Tasks&) = delete;

    /// Starts a shim for the bundle of `launch_file` and the container in it. `attachments` see the
    /// output from its first byte; `layers` are mounts of the root's layers in the plan's order, or
    /// none. A failure of the container's own making is in the result.
    StartResult start(const std::string& id, const Path& launch_file,
                      std::vector<Attachment> attachments, const std::vector<int>& layers = {});
    /// For each container that was running: reconnects. nullopt: it is running again under our
    /// eyes (also when its shim was killed but init lives: then it is watched by pidfd). Otherwise
    /// how it ended.
    std::optional<ExitRecord> adopt(const std::string& id, const Path& launch_file, pid_t pid,
                                    unsigned long long start_time);
    /// To init; works without a shim too.
    void signal(const std::string& id, int signal_number);
    /// SIGKILL to the whole cgroup.
    void kill_all(const std::string& id);
    void attach(const std::string& id, Attachment attachment);
    /// `exec_id` "" is init.
    void resize(const std::string& id, const std::string& exec_id, unsigned short rows,
                unsigned short columns);
    StartResult exec(const std::string& id, const ExecRequest& request,
                     std::optional<Attachment> attachment);
    void signal_exec(const std::string& id, const std::string& exec_id, int signal_number);

private:
    class Monitor;
    std::unique_ptr<Monitor> monitor_;
};

}  // namespace hull::task
