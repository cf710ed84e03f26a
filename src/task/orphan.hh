#pragma once
#include "base/fd.hh"
#include "base/file.hh"
#include "shim/launch_config.hh"
#include "shim/protocol.hh"

#include <sys/types.h>

#include <optional>
#include <string>

/// Containers whose shim is gone.
namespace hull::task {

/// pidfd of `pid`, empty unless it is the process started at `start_time` and still runs.
Fd open_process(pid_t pid, unsigned long long start_time);

/// The cgroup of a container, as its shim wrote it down or as its bundle says.
std::string cgroup_of(const shim::LaunchConfig& config);

/// From either of the places where a shim may have left it.
std::optional<shim::ExitRecord> find_exit_record(const shim::LaunchConfig& config);

/// The container's first process as its shim has written it down.
struct RecordedInit {
    pid_t pid = 0;
    unsigned long long start_time = 0;
    std::int64_t started_ns = 0;  ///< wall clock
};
/// What runs, or has ended a moment ago under a shim that runs, whatever the engine's record says.
std::optional<RecordedInit> find_recorded_init(const Path& runtime_directory);

/// Does what the shim of an init that has ended would have done: ends the other processes, removes
/// the cgroup, writes the exit record. `pidfd` tells the exit code where the kernel does (6.15),
/// and may be empty.
shim::ExitRecord bury(const shim::LaunchConfig& config, const Fd& pidfd, std::string reason);

}  // namespace hull::task
