#include "transfer/legacy_archive.hh"

#include "base/json.hh"

#include <algorithm>

namespace hull::transfer {

namespace {

constexpr std::size_t max_layers = 1024;

std::string text_of(const json::Value& value) {
    return value.is_string() ? value.as_string() : std::string();
}

json::Object history_of(const json::Value& document, bool empty_layer) {
    json::Object entry;
    for (const char* key : {"created", "author", "comment"})
        if (const std::string text = text_of(document[key]); !text.empty()) entry[key] = text;
    std::string command;
    const json::Value& container_config = document["container_config"];
    if (container_config["Cmd"].is_array())
        for (const std::string& word : container_config["Cmd"].as_strings())
            command += (command.empty() ? "" : " ") + word;
    if (!command.empty()) entry["created_by"] = command;
    if (empty_layer) entry["empty_layer"] = true;
    return entry;
}

}  // namespace

LegacyImage read_legacy_image(ArchiveContents& contents, const std::string& id) {
    std::vector<json::Value> chain;  // the image itself first
    std::vector<std::string> ids;
    for (std::string next = id; !next.empty(); next = text_of(chain.back()["parent"])) {
        if (std::find(ids.begin(), ids.end(), next) != ids.end() || ids.size() == max_layers)
            throw Error(ErrorKind::invalid_argument, "the chain of parents does not end");
        ids.push_back(next);
        chain.push_back(
            json::parse(contents.text(contents.get(next + "/json", "the chain of parents"))));
    }
    LegacyImage image;
    json::Array history, diff_ids;
    std::vector<std::string> lower_files;
    for (std::size_t i = chain.size(); i-- > 0;) {
        const json::Value& document = chain[i];
        const bool throwaway = document["throwaway"].is_bool() && document["throwaway"].as_bool();
        history.push_back(history_of(document, throwaway));
        if (throwaway) continue;
        image.layers.push_back(ids[i] + "/layer.tar");
        ArchivedBlob& blob = contents.get(image.layers.back(), "the chain of parents");
        contents.convert(blob, lower_files);
        diff_ids.push_back(blob.layer->diff_id.str());
        lower_files.insert(lower_files.begin(), blob.layer->file);
    }
    json::Object config = chain.front().as_object();
    for (const char* key : {"id", "parent", "layer_id", "parent_id", "throwaway", "Size"})
        config.erase(key);
    config["rootfs"] = json::Object{{"type", "layers"}, {"diff_ids", std::move(diff_ids)}};
    config["history"] = std::move(history);
    image.config = json::dump(std::move(config));
    return image;
}

}  // namespace hull::transfer
