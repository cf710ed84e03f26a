#pragma once
#include "task/task.hh"

#include <sys/types.h>

#include <string>

namespace hull::engine {

/// Why a container ended, in one sentence. `request` is the last signal that a request had us send
/// ("SIGTERM of a stop"), "" when there was none.
std::string describe_end(const task::ExitRecord& exit, const std::string& request);

/// "SIGTERM" for 15.
std::string signal_name(int number);

/// Whether `pid` is the first process of a pid namespace and has no handler for the signal: then
/// the kernel drops it (pid_namespaces(7)). One that is blocked is waited for otherwise, as tini
/// does.
bool is_deaf_to(pid_t pid, int signal_number);

}  // namespace hull::engine
