#pragma once
#include "base/file.hh"
#include "buildkit/sessions.hh"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace hull::buildkit {

/// What to bring of a client's directory.
struct SyncRequest {
    std::string name;  ///< the client's word for the directory: context, dockerfile
    std::vector<std::string> excluded;  ///< patterns as in .dockerignore
    std::vector<std::string> followed;  ///< only these paths, their links followed; empty: all
};

/// Makes `directory` what the client's directory is: only files whose size, mode or time differ are
/// sent, and what the client does not have goes. Throws with what the client says is wrong.
/// `on_bytes` gets how many bytes of files have come so far.
/// Source: github.com/tonistiigi/fsutil, types/wire.proto and its receiver.
void sync_directory(const ClientSession& session, const SyncRequest& request, const Path& directory,
                    const std::function<void(std::uint64_t)>& on_bytes);

}  // namespace hull::buildkit
