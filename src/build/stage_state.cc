#include "build/stage_state.hh"

#include "base/hash.hh"
#include "base/time.hh"

#include <fmt/core.h>

namespace hull::build {

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

std::string format_created(std::int64_t created_s) { return format_rfc3339(created_s * second_ns); }

}  // namespace

std::vector<std::string> StageState::diff_ids() const {
    std::vector<std::string> ids;
    for (const image::BuiltLayer& layer : layers) ids.push_back(layer.diff_id);
    return ids;
}

std::optional<std::string> StageState::find_environment(std::string_view name) const {
    for (const std::string& entry : config.config.env)
        if (entry.size() > name.size() && entry[name.size()] == '=' && entry.starts_with(name))
            return entry.substr(name.size() + 1);
    return std::nullopt;
}

std::optional<std::string> StageState::find_argument(std::string_view name) const {
    for (auto argument = arguments.rbegin(); argument != arguments.rend(); ++argument)
        if (argument->first == name) return argument->second;
    return std::nullopt;
}

std::optional<std::string> StageState::find_variable(std::string_view name) const {
    if (auto value = find_environment(name)) return value;
    return find_argument(name);
}

void StageState::set_environment(const std::string& name, const std::string& value) {
    for (std::string& entry : config.config.env)
        if (entry.starts_with(name + "=")) {
            entry = name + "=" + value;
            return;
        }
    config.config.env.push_back(name + "=" + value);
}

void StageState::set_argument(const std::string& name, std::optional<std::string> value) {
    for (auto& [known, old] : arguments)
        if (known == name) {
            old = std::move(value);
            return;
        }
    arguments.emplace_back(name, std::move(value));
}

void StageState::add_history(std::string created_by, std::string comment, bool empty_layer) {
    oci::HistoryEntry entry;
    entry.created = format_created(created_s);
    entry.created_by = std::move(created_by);
    entry.comment = std::move(comment);
    entry.empty_layer = empty_layer;
    config.history.push_back(std::move(entry));
}

std::string StageState::created() const { return format_created(created_s); }

std::string StageState::document() const {
    oci::ImageConfig whole = config;
    whole.created = format_created(created_s);
    whole.diff_ids.clear();
    for (const image::BuiltLayer& layer : layers)
        whole.diff_ids.push_back(oci::Digest::parse(layer.diff_id));
    return json::dump(oci::to_json(whole));
}

std::string StageState::image_digest() const { return "sha256:" + sha256_hex(document()); }

std::string short_id(std::string_view digest) {
    return std::string(digest.substr(digest.find(':') + 1).substr(0, 12));
}

StageState make_scratch_state(const oci::Platform& platform, std::optional<std::int64_t> epoch_s) {
    StageState state;
    state.config.platform = platform;
    state.created_s = epoch_s.value_or(0);
    // Docker gives what starts from nothing a PATH.
    state.config.config.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
    state.key = "scratch " + platform.os + "/" + platform.architecture + platform.variant +
                fmt::format(" {}", state.created_s);
    return state;
}

StageState make_base_state(const image::Image& image, std::vector<image::BuiltLayer> layers,
                           std::optional<std::int64_t> epoch_s) {
    StageState state;
    state.image_id = image.id;
    state.config = image.config;
    state.config.config.unknown = {};
    state.config.unknown = {};
    state.layers = std::move(layers);
    state.base_layers = state.layers.size();
    state.created_s = epoch_s.value_or(image.created_ns > 0 ? image.created_ns / second_ns : 0);
    state.key = "image " + image.id + fmt::format(" {}", state.created_s);
    return state;
}

}  // namespace hull::build
