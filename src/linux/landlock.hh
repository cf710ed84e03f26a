#pragma once

namespace hull::linux_ {

/// The kernel's Landlock version, 0 without Landlock.
int landlock_abi();

/// Restricts the calling thread and its future children to files below `directory`: read, write,
/// make and remove regular files there, nothing anywhere else; no TCP unless `network`; no signals
/// and no abstract sockets outside. Needs no_new_privs. Returns the ABI it used, 0 without
/// Landlock.
int restrict_to_directory(int directory, bool network);

}  // namespace hull::linux_
