#pragma once
#include "base/fd.hh"

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace hull {

/// How a child ended.
struct ExitStatus {
    int code = 0;    ///< exit code, 0 when a signal ended it
    int signal = 0;  ///< signal number, 0 when it exited
    /// Docker's number: code, or 128 + signal.
    int docker_code() const { return signal ? 128 + signal : code; }
};

/// What to start, and with which descriptors.
struct Command {
    std::vector<std::string> arguments;  ///< [0] is the program's path, unless `program` is
    std::optional<std::vector<std::string>> environment;  ///< ours when absent
    struct Descriptor {
        int ours;
        int theirs;
    };
    std::vector<Descriptor> descriptors;  ///< every other one is closed on exec
    bool new_session = false;
    std::string program = {};  ///< path of the program, for one that looks at its argument 0
};

/// A child we must reap. Holds a pidfd, so a recycled pid is never signalled.
class Process {
public:
    /// posix_spawn (never fork: 37 ms at 1 GB RSS, LIMITS.md section 2). Standard streams that
    /// `descriptors` does not name are inherited. Throws when the program cannot be executed.
    static Process spawn(const Command& command);

    Process(Process&& other) noexcept;
    Process& operator=(Process other) noexcept;
    ~Process();  ///< SIGKILL and reap, if nobody called wait() or release()

    pid_t pid() const { return pid_; }
    int pidfd() const { return pidfd_.get(); }
    void signal(int signal_number);
    /// Blocks until the child ends.
    ExitStatus wait();
    /// nullopt when it has not ended within `timeout_ms`.
    std::optional<ExitStatus> wait_for(int timeout_ms);
    /// Gives the child up: nobody kills or reaps it here.
    pid_t release();

private:
    Process(pid_t pid, Fd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
    pid_t pid_ = -1;
    Fd pidfd_;
};

/// pidfd_open(2); an empty Fd when there is no such process.
Fd find_pidfd(pid_t pid);
/// The letter of `pid`'s state (/proc/PID/stat field 3; proc(5)): 'Z' has ended and is not reaped.
std::optional<char> find_process_state(pid_t pid);
/// Clock ticks since boot when `pid` was started (/proc/PID/stat field 22); tells recycled pids
/// apart.
std::optional<unsigned long long> find_start_time(pid_t pid);

}  // namespace hull
