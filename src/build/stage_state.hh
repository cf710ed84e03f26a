#pragma once
#include "image/images.hh"
#include "oci/image_config.hh"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hull::build {

/// A stage after some of its steps: the image it would be now.
struct StageState {
    std::string key;       ///< of everything that led here
    std::string image_id;  ///< of the image it began with, "" for scratch
    oci::ImageConfig config;
    std::vector<image::BuiltLayer> layers;
    std::size_t base_layers = 0;  ///< those of them that came with the image
    /// Arguments that were declared, in order; one without a value may still be passed on.
    std::vector<std::pair<std::string, std::optional<std::string>>> arguments;
    bool has_cmd = false;        ///< CMD was set in this stage: ENTRYPOINT leaves it alone
    std::int64_t created_s = 0;  ///< what every file and the image are dated, at most

    std::vector<std::string> diff_ids() const;
    std::optional<std::string> find_variable(std::string_view name) const;  ///< ENV, then ARG
    std::optional<std::string> find_environment(std::string_view name) const;
    std::optional<std::string> find_argument(std::string_view name) const;
    void set_environment(const std::string& name, const std::string& value);
    void set_argument(const std::string& name, std::optional<std::string> value);

    void add_history(std::string created_by, std::string comment, bool empty_layer);
    /// The config document as it is now, and its digest.
    std::string document() const;
    std::string created() const;  ///< as the document has it
    std::string image_digest() const;
};

/// "sha256:…" as Docker's builder prints it: 12 digits.
std::string short_id(std::string_view digest);

/// An image of nothing.
StageState make_scratch_state(const oci::Platform& platform, std::optional<std::int64_t> epoch_s);
/// An image as the base of a stage.
StageState make_base_state(const image::Image& image, std::vector<image::BuiltLayer> layers,
                           std::optional<std::int64_t> epoch_s);

}  // namespace hull::build
