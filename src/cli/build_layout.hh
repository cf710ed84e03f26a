#pragma once
#include "base/file.hh"

#include <string>

namespace hull::cli {

class Session;

/// Loads the one image of an OCI layout (a directory) and returns its id.
std::string load_layout(Session& session, const Path& directory);

/// Writes an image as an OCI layout into a directory, which is made.
void save_layout(Session& session, const std::string& image, const Path& directory);

}  // namespace hull::cli
