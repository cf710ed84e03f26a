#pragma once
#include "base/file.hh"

#include <cstdint>
#include <string>

namespace hull::store {

/// "; the file system of DIRECTORY is full: …" when less than `needed_bytes`, or no inode, is left
/// there, otherwise nothing: the end of an error message.
std::string describe_shortage(const Path& directory, std::uint64_t needed_bytes);

}  // namespace hull::store
