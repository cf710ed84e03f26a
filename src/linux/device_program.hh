#pragma once
#include "linux/cgroup.hh"

#include <linux/bpf.h>

#include <span>
#include <vector>

namespace hull::linux_ {

/// The eBPF program that decides on device access in a v2 cgroup as the v1 rules would: per access
/// bit the last rule that fits, denied when none does.
std::vector<bpf_insn> compile_device_program(std::span<const DeviceRule> rules);

/// Loads the program and attaches it to the cgroup; programs attached before are detached after.
void attach_device_program(int cgroup_directory, std::span<const DeviceRule> rules);

}  // namespace hull::linux_
