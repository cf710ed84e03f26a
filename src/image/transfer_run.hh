#pragma once
#include "base/file.hh"
#include "base/json.hh"
#include "base/stop.hh"
#include "store/store.hh"

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace hull::image {

/// One run of hull-transfer.
struct TransferCommand {
    Path program;
    std::string verb;  ///< load, import, layer, commit, unpack or save
    uid_t uid = 0;
    Path staging;
    std::vector<std::string> arguments;  ///< after --staging and --uid
    int input_fd = -1;                   ///< becomes 0; /dev/null when -1
    int output_fd = -1;                  ///< becomes 1; /dev/null when -1
    std::vector<int> extra_fds;          ///< become 10, 11, …
    /// Sees each message first; true: it was for this one.
    std::function<bool(const json::Value& message)> on_message;
};

/// What it reported. Foreign data: digests are well-formed and file names plain, nothing more.
struct TransferReport {
    struct Image {
        std::string config, manifest;
        std::vector<std::string> references;  ///< canonical
        std::string digest;  ///< of what was pulled: the manifest, or an index that names it
    };
    struct Layer {
        std::string diff_id, blob, media_type;
        std::uint64_t content_bytes = 0, entries = 0;
    };
    store::StagedContent content;
    std::vector<Layer> layers;
    std::vector<std::string> present_layers;  ///< reported without a file: the store has them
    std::vector<Image> images;
};

/// Runs it to its end. Throws what it reports as an error, cancelled on `stop`, data_loss when its
/// messages make no sense, internal when it dies without a word. It is dead when this returns.
TransferReport run_transfer(const TransferCommand& command,
                            const std::function<void(std::string_view line)>& progress,
                            StopEvent* stop);

/// The same for one question: `request` becomes its input, and what it reports as "result" is
/// returned. data_loss when that never comes.
json::Value ask_transfer(TransferCommand command, const json::Value& request, StopEvent* stop);

}  // namespace hull::image
