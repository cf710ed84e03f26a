#pragma once
#include <functional>
#include <string>
#include <string_view>

namespace hull::files {

/// Docker's kinds, with its numbers.
enum class ChangeKind { modified = 0, added = 1, deleted = 2 };

/// Compares a container's own layer `upper` with what lies below it, `lower` (both O_PATH
/// directories), and calls `sink` for each difference, a directory before what is in it. A
/// directory that is only there because something below it changed is modified; one that was
/// looked at and has nothing changed is not named. Of a removed directory only itself is named.
void list_changes(int upper, int lower,
                  const std::function<void(ChangeKind, const std::string& path)>& sink);

}  // namespace hull::files
