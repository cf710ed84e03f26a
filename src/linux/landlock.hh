#pragma once
#include <span>

namespace hull::linux_ {

/// The kernel's Landlock version, 0 without Landlock.
int landlock_abi();

/// Restricts the calling thread and its future children to files below `directory`: read, write,
/// make and remove regular files there, nothing anywhere else; no TCP unless `network`; no signals
/// and no abstract sockets outside. Needs no_new_privs. Returns the ABI it used, 0 without
/// Landlock.
int restrict_to_directory(int directory, bool network);

/// The same for a server: it may make, move and remove directories below `directory` as well, read
/// below the `readable` ones, and use the network. 0 also where Landlock forbids every move between
/// directories (before ABI 2). With `links` it may make symbolic links as well.
int restrict_to_tree(int directory, std::span<const int> readable, bool links = false);

/// For programs of this machine that work in `directory`: they run and read what is below `tools`,
/// and may read and write `devices`.
int restrict_to_tools(int directory, std::span<const int> tools, std::span<const int> devices);

}  // namespace hull::linux_
