// Layers of the images that --cache-from names, as Docker's classic builder takes them.
#include "base/error.hh"
#include "build/stage_run.hh"

#include <algorithm>
#include <variant>

namespace hull::build {

namespace {

/// What a history says of the step after `history` when it begins with that; its layer is the one
/// after `layers`.
const oci::HistoryEntry* find_next(const image::Image& image,
                                   const std::vector<oci::HistoryEntry>& history) {
    const auto& theirs = image.config.history;
    const bool begins =
        theirs.size() > history.size() &&
        std::equal(history.begin(), history.end(), theirs.begin(),
                   [](const oci::HistoryEntry& left, const oci::HistoryEntry& right) {
        return left.created_by == right.created_by && left.empty_layer == right.empty_layer;
        });
    return begins ? &theirs[history.size()] : nullptr;
}

}  // namespace

/// The layer that an image has where this RUN is: after the same layers, made by the same words,
/// and dated as ours would be. Files that were copied are compared by that, too: equal files make
/// equal layers. What else a RUN depends on (mounts, networks) a history does not say.
std::optional<image::BuiltLayer> StageRun::find_in_images() const {
    const auto* run = std::get_if<dockerfile::Run>(&instruction_->value);
    if (!run || !run->mounts.empty() || !run->heredocs.empty() ||
        run->network != dockerfile::Network::default_ ||
        run->security != dockerfile::Security::sandbox)
        return std::nullopt;
    const std::vector<std::string> diff_ids = state_.diff_ids();
    const std::string created_by = created_by_text();
    for (const image::ImagePointer& image : build_.cache_images()) {
        const oci::HistoryEntry* next = find_next(*image, state_.config.history);
        if (!next || next->empty_layer || next->created_by != created_by ||
            image->config.created != state_.created() ||
            image->diff_ids.size() <= diff_ids.size() ||
            !std::equal(diff_ids.begin(), diff_ids.end(), image->diff_ids.begin()))
            continue;
        return build_.images().list_layers(*image).at(diff_ids.size());
    }
    return std::nullopt;
}

}  // namespace hull::build
