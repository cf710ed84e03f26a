// Results of steps that travel in images: inline, in a directory, by a registry.
#include "base/error.hh"
#include "base/log.hh"
#include "build/builder.hh"
#include "oci/image_config.hh"

#include <map>
#include <set>

namespace hull::build {

namespace {

bool is_key(std::string_view text) {
    return text.size() == 64 &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

json::Value Builder::carried_records(const std::vector<StepRecord>& steps,
                                     const std::set<std::string>& diff_ids) const {
    json::Array records;
    std::set<std::string> taken;
    for (const StepRecord& step : steps) {
        if (!step.diff_id.empty() && !diff_ids.contains(step.diff_id)) continue;
        const auto record = cache_.peek(step.key);
        if (!record || !taken.insert(step.key).second) continue;
        records.push_back(json::Object{{"key", record->key},
                                       {"parent", record->parent},
                                       {"description", record->description},
                                       {"layer", record->layer ? record->layer->diff_id : ""}});
    }
    return json::Object{{"records", std::move(records)}};
}

std::string Builder::export_cache(const std::vector<std::string>& ids, bool all) {
    image::NewImage image;
    std::set<std::string> diff_ids;
    std::vector<StepRecord> steps;
    for (const std::string& id : ids) {
        const BuildRecord build = history_.get(id);
        // One that is in an index only is not told apart: all of its steps go.
        const image::ImagePointer built = images_.find_image(build.image_id);
        std::set<std::string> wanted;
        if (built) wanted.insert(built->diff_ids.begin(), built->diff_ids.end());
        for (const StepRecord& step : build.steps) {
            const auto record = cache_.peek(step.key);
            if (!record || !record->layer ||
                (!all && built && !wanted.contains(record->layer->diff_id)))
                continue;
            if (diff_ids.insert(record->layer->diff_id).second)
                image.layers.push_back(*record->layer);
        }
        steps.insert(steps.end(), build.steps.begin(), build.steps.end());
    }
    oci::ImageConfig config;
    config.platform = oci::host_platform();
    config.created = "1970-01-01T00:00:00Z";
    for (const image::BuiltLayer& layer : image.layers)
        config.diff_ids.push_back(oci::Digest::parse(layer.diff_id));
    config.unknown[carried_name] = carried_records(steps, diff_ids);
    image.config = json::dump(oci::to_json(config));
    return images_.add_image(image).id;
}

std::size_t Builder::import_cache(const image::Image& image) {
    const json::Value* carried = image.config.unknown.find(carried_name);
    if (!carried || !(*carried)["records"].is_array()) return 0;
    std::map<std::string, image::BuiltLayer> layers;
    for (const image::BuiltLayer& layer : images_.list_layers(image)) layers[layer.diff_id] = layer;
    std::size_t count = 0;
    for (const json::Value& entry : (*carried)["records"].as_array()) {
        CacheRecord record;
        record.key = entry["key"].as_string();
        record.parent = entry["parent"].as_string();
        record.description = entry["description"].as_string();
        const std::string& diff_id = entry["layer"].as_string();
        if (!is_key(record.key) || cache_.peek(record.key)) continue;
        if (!diff_id.empty()) {
            const auto layer = layers.find(diff_id);
            if (layer == layers.end()) continue;
            record.layer = layer->second;
        }
        cache_.add(record);
        ++count;
    }
    return count;
}

}  // namespace hull::build
