#pragma once
#include "base/fd.hh"
#include "base/file.hh"
#include "cli/tree_archive.hh"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace hull::cli {

/// What `build` was given as PATH | URL | - and -f, and how its files reach the daemon.
struct BuildContext {
    Path directory;                     ///< absolute; "" for a context that is no directory
    std::string remote;                 ///< address that the daemon fetches; "" for none
    std::string dockerfile;             ///< path in the context
    std::optional<std::string> text;    ///< of a Dockerfile that is not in the context
    std::optional<std::string> ignore;  ///< of the ignore file beside that Dockerfile
    /// The tar, when the daemon does not read the directory itself.
    std::function<std::size_t(std::span<std::byte>)> source;
    std::shared_ptr<void> owner;  ///< of what `source` reads: it and whoever copied it

    /// "DEVICE:INODE": by this a daemon knows whether it sees the same directory.
    std::string identity() const;
    /// Makes `source` out of the directory, without what its .dockerignore excludes.
    void read_directory(bool with_ignore_file = true);
    /// Puts `text` into the archive, for a daemon that knows Dockerfiles by their path only, and
    /// returns that path. A .dockerignore with it keeps it out of what is copied, so the archive
    /// must be without one.
    std::string send_text();
};

/// Whether it is an address of the network: a repository or what http brings.
bool is_remote_context(const std::string& text);

/// Opens it; `file` is the value of -f, "" when absent. Docker's texts for what is missing.
BuildContext open_build_context(const std::string& context, const std::string& file);

/// The directory of a --build-context.
BuildContext open_named_context(const std::string& path);

}  // namespace hull::cli
