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

std::optional<shim::ExitRecord> find_exit_record(const Path& exit_file);

/// Does what the shim of an init that has ended would have done: ends the other processes, removes
/// the cgroup, writes the exit record. `pidfd` tells the exit code where the kernel does (6.15),
/// and may be empty.
shim::ExitRecord bury(const shim::LaunchConfig& config, const Fd& pidfd, std::string reason);

}  // namespace hull::task
