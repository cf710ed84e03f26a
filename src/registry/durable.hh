#pragma once
#include "base/file.hh"

#include <string_view>

/// Files that survive a power loss once these return.
namespace hull::registry::durable {

/// Makes a directory and its missing parents.
void make_directories(const Path& path);
/// Writes or replaces a small file; makes its directories.
void write(const Path& path, std::string_view content);
/// Moves a file, whose bytes are on disk, to `path`; makes its directories.
void place(const Path& from, const Path& path);
/// Removes a file or an empty directory; false when there is none.
bool remove(const Path& path);

}  // namespace hull::registry::durable
