#include "base/sys.hh"
#include "transfer/messages.hh"

namespace hull::transfer {

void Messages::send(const json::Value& message) {
    const std::string line = json::dump(message) + "\n";
    const std::lock_guard lock(mutex_);
    sys::write_all(fd_, line);
}

void Messages::blob(const oci::Digest& digest, std::uint64_t size, std::string_view file) {
    send(json::Object{
        {"blob", json::Object{{"digest", digest.str()}, {"size", size}, {"file", file}}}});
}

void Messages::layer(const LayerMessage& layer) {
    json::Object body{
        {"diffID", layer.diff_id.str()}, {"blob", layer.blob.str()},
        {"mediaType", layer.media_type}, {"size", layer.size},
        {"entries", layer.entries},      {"contentSize", layer.content_size},
    };
    if (!layer.file.empty()) body["file"] = layer.file;
    send(json::Object{{"layer", std::move(body)}});
}

void Messages::image(const oci::Digest& config, const oci::Digest& manifest,
                     const std::vector<std::string>& tags) {
    send(json::Object{
        {"image",
         json::Object{{"config", config.str()}, {"manifest", manifest.str()}, {"tags", tags}}}});
}

void Messages::progress(std::string_view text) { send(json::Object{{"progress", text}}); }

void Messages::warning(std::string_view text) { send(json::Object{{"warning", text}}); }

void Messages::error(const Error& error) {
    send(json::Object{
        {"error", json::Object{{"kind", to_string(error.kind())}, {"message", error.message()}}}});
}

void Messages::done() { send(json::Object{{"done", true}}); }

}  // namespace hull::transfer
