#pragma once
#include "linux/sandbox.hh"
#include "transfer/staging.hh"

namespace hull::transfer {

/// Waits for the end of descriptor 0, tries what the sandbox must refuse, and writes what happened
/// to descriptor 1: {"landlock_abi": 7, "open_etc_passwd": "EACCES", "write_staging": "ok", …}.
void self_check(const linux_::SandboxReport& report, Staging& staging);

}  // namespace hull::transfer
