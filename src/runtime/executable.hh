#pragma once
#include "base/file.hh"

#include <string>
#include <vector>

/// Finding a program as execvpe(3) would, and saying exactly why it cannot run.
namespace hull::runtime {

/// The path to execute for `name`, looked up in the PATH of `environment` when it has no slash.
/// Runs as the container's user in its root and working directory. `proc` is a trusted /proc.
/// Throws LaunchError 127 (not found, or its interpreter is not) or 126 (cannot be executed).
Path find_executable(const std::string& name, const std::vector<std::string>& environment,
                     int proc);

/// LaunchError for a failed execve(2) of `path`.
[[noreturn]] void throw_exec_failure(const std::string& name, const Path& path, int error_number,
                                     int proc);

}  // namespace hull::runtime
