#pragma once
#include "base/fd.hh"

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace hull {

/// A path as text; <filesystem> costs 1.4 s per including file.
using Path = std::string;

/// `directory` + "/" + `name`, with exactly one slash between.
Path join(std::string_view directory, std::string_view name);

/// The whole file. Throws not_found, or invalid_argument beyond `max_bytes`.
std::string read_file(const Path& path, std::size_t max_bytes = 64UL << 20);
std::optional<std::string> find_file(const Path& path, std::size_t max_bytes = 64UL << 20);
/// Creates or replaces `path` in place, without a sync: for runtime state that a reboot clears.
void write_file(const Path& path, std::string_view content, mode_t mode = 0644);
/// Temporary file beside `path`, fdatasync, rename: after a crash the old or the new content is
/// there.
void write_file_atomic(const Path& path, std::string_view content, mode_t mode = 0644);
/// The same without the sync: readers and a kill -9 see the old or the new content, a power loss
/// may leave neither.
void replace_file(const Path& path, std::string_view content, mode_t mode = 0644);
/// A file in memory with `text` in it (memfd_create(2)), close-on-exec. Unlike a pipe it blocks
/// nobody who writes a lot or reads nothing.
Fd make_memory_file(const char* name, std::string_view text = "");
/// What is at the start of a file, at most `max_bytes`, on one line: for messages.
std::string read_as_line(int file, std::size_t max_bytes);
/// fsync of a directory, so that renames in it survive power loss.
void sync_directory(const Path& path);

/// `count` random bytes in lower-case hex (getrandom(2)).
std::string random_hex(std::size_t count);

}  // namespace hull
