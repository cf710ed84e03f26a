#pragma once
#include "base/file.hh"
#include "base/json.hh"
#include "base/stop.hh"
#include "files/path_stat.hh"
#include "files/request.hh"

#include <functional>
#include <optional>

namespace hull::engine {

/// One run of hull-files. Descriptors are lent; -1 is /dev/null.
struct FilesCommand {
    Path program;
    files::Request request;
    int input_fd = -1, output_fd = -1;
    int root_fd = -1, namespace_fd = -1;  ///< of a running container
    /// Gets every message as it came, when set.
    std::function<void(const json::Value&)> on_message = {};
};

/// Runs it to its end. `ready` is called once before it writes anything, with what it has found at
/// the path if it looked. Throws what it reports as an error, cancelled on `stop`, internal when it
/// dies without a word. It is dead when this returns.
void run_files(const FilesCommand& command,
               const std::function<void(const std::optional<files::PathStat>&)>& ready,
               StopEvent* stop);

}  // namespace hull::engine
