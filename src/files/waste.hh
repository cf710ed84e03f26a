#pragma once
#include "base/fd.hh"
#include "base/json.hh"

#include <cstddef>
#include <vector>

namespace hull::files {

/// What of the topmost `own` of an image's layers (each mounted on its own, topmost first) is
/// stored for nothing: files that are as they were below, that differ below only in mode, owner or
/// attributes, or that a layer above takes away or replaces. One object for each of them, bottom
/// first: {"unchanged", "metadata", "deleted": {"bytes", "files", "largest": [{"path", "bytes"}]}}.
json::Value find_waste(const std::vector<Fd>& layers, std::size_t own);

}  // namespace hull::files
