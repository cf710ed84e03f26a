#pragma once
#include "http/client.hh"

#include <functional>
#include <string>
#include <string_view>

namespace hull::cli {

/// Copies the rest of a reply's body to a descriptor.
void copy_reply(http::ClientResponse& response, int output);

/// Writes an archive to the file `path` or, when it is "", to standard output. The file appears
/// under its name only once it is whole; nothing is asked of the daemon when it cannot be made.
/// Throws invalid_argument for a terminal; `verb` ("save", "export") says what failed.
void write_archive(const std::string& path, std::string_view verb,
                   const std::function<http::ClientResponse()>& request);

}  // namespace hull::cli
