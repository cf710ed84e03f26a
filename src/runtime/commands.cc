#include "runtime/commands.hh"

namespace hull::runtime {
namespace {

constexpr Flag create_flags[] = {
    {"bundle", "b", true, "directory with config.json (default: .)"},
    {"console-socket", "", true, "unix socket that gets the terminal's master"},
    {"pid-file", "", true, "file for the pid of init"},
    {"no-pivot", "", false, "move and chroot instead of pivot_root"},
    {"no-new-keyring", "", false, "keep the session keyring"},
    {"preserve-fds", "", true, "number of further descriptors to hand on"},
};
constexpr Flag run_flags[] = {
    {"bundle", "b", true, "directory with config.json (default: .)"},
    {"console-socket", "", true, "unix socket that gets the terminal's master"},
    {"detach", "d", false, "do not wait for the end"},
    {"keep", "", false, "do not delete the container when it ended"},
    {"pid-file", "", true, "file for the pid of init"},
    {"no-subreaper", "", false, "accepted for compatibility: init is our own child"},
    {"no-pivot", "", false, "move and chroot instead of pivot_root"},
    {"no-new-keyring", "", false, "keep the session keyring"},
    {"preserve-fds", "", true, "number of further descriptors to hand on"},
};
constexpr Flag kill_flags[] = {{"all", "a", false, "all processes of the container"}};
constexpr Flag delete_flags[] = {{"force", "f", false, "kill it first"}};
constexpr Flag exec_flags[] = {
    {"console-socket", "", true, "unix socket that gets the terminal's master"},
    {"cwd", "", true, "working directory"},
    {"env", "e", true, "NAME=VALUE"},
    {"tty", "t", false, "with a terminal"},
    {"user", "u", true, "UID[:GID]"},
    {"additional-gids", "g", true, "further groups"},
    {"process", "p", true, "file with the process as JSON"},
    {"detach", "d", false, "do not wait for the end"},
    {"pid-file", "", true, "file for the pid"},
    {"process-label", "", true, "SELinux label"},
    {"apparmor", "", true, "AppArmor profile"},
    {"no-new-privs", "", false, "set no_new_privs"},
    {"cap", "c", true, "one more capability"},
    {"preserve-fds", "", true, "number of further descriptors to hand on"},
    {"ignore-paused", "", false, "also when paused"},
    {"cgroup", "", true, "cgroup below the container's"},
    {"no-subreaper", "", false, "accepted for compatibility: the process is our own child"},
};
constexpr Flag list_flags[] = {{"format", "f", true, "table or json"},
                               {"quiet", "q", false, "only the ids"}};
constexpr Flag ps_flags[] = {{"format", "f", true, "table or json"}};
constexpr Flag events_flags[] = {{"stats", "", false, "one set of numbers, then end"},
                                 {"interval", "", true, "time between them: 5s"}};
constexpr Flag spec_flags[] = {{"bundle", "b", true, "where to write config.json"},
                               {"rootless", "", false, "for use without root"}};
constexpr Flag update_flags[] = {
    {"resources", "r", true, "file with linux.resources as JSON, or -"},
    {"blkio-weight", "", true, "10 to 1000"},
    {"cpu-period", "", true, "microseconds"},
    {"cpu-quota", "", true, "microseconds"},
    {"cpu-burst", "", true, "microseconds"},
    {"cpu-share", "", true, "2 to 262144"},
    {"cpu-rt-period", "", true, "microseconds"},
    {"cpu-rt-runtime", "", true, "microseconds"},
    {"cpu-idle", "", true, "0 or 1"},
    {"cpuset-cpus", "", true, "list of CPUs"},
    {"cpuset-mems", "", true, "list of memory nodes"},
    {"kernel-memory", "", true, "bytes"},
    {"kernel-memory-tcp", "", true, "bytes"},
    {"memory", "", true, "bytes"},
    {"memory-reservation", "", true, "bytes"},
    {"memory-swap", "", true, "bytes, memory included"},
    {"pids-limit", "", true, "number of processes"},
};

constexpr RuntimeCommand commands[] = {
    {"create", "ID", "create a container", create_flags, run_create},
    {"delete", "ID", "delete what a container holds", delete_flags, run_delete},
    {"events", "ID", "print numbers and out-of-memory notices", events_flags, run_events},
    {"exec", "ID PROGRAM [ARGUMENT...]", "run another process in a container", exec_flags, run_exec,
     true},
    {"features", "", "print what this runtime can do", {}, run_features},
    {"kill", "ID [SIGNAL]", "send a signal to init (default: SIGTERM)", kill_flags, run_kill},
    {"list", "", "list containers", list_flags, run_list},
    {"pause", "ID", "suspend all processes", {}, run_pause},
    {"ps", "ID [ps options]", "list processes", ps_flags, run_ps, true},
    {"resume", "ID", "undo pause", {}, run_resume},
    {"run", "ID", "create, start and wait", run_flags, run_run},
    {"spec", "", "write a config.json to start from", spec_flags, run_spec},
    {"start", "ID", "execute the program of a created container", {}, run_start},
    {"state", "ID", "print the state as JSON", {}, run_state},
    {"update", "ID", "change limits", update_flags, run_update},
};

}  // namespace

std::span<const RuntimeCommand> runtime_commands() { return commands; }

}  // namespace hull::runtime
