#include "transfer/import.hh"

#include "base/json.hh"
#include "base/time.hh"
#include "oci/manifest.hh"
#include "oci/platform.hh"
#include "transfer/layer.hh"

namespace hull::transfer {

namespace {

struct Document {
    std::string text;
    oci::Digest digest;
};

Document store_document(const json::Value& value, Staging& staging, Messages& messages) {
    Document document{json::dump(value), {}};
    BlobWriter writer(staging);
    writer.write(std::as_bytes(std::span(document.text)));
    document.digest = writer.finish();
    messages.blob(document.digest, writer.size(), writer.name());
    return document;
}

oci::Descriptor describe(std::string_view media_type, const oci::Digest& digest,
                         std::uint64_t size) {
    oci::Descriptor descriptor;
    descriptor.media_type = media_type;
    descriptor.digest = digest;
    descriptor.size = static_cast<std::int64_t>(size);
    return descriptor;
}

json::Value make_config(const json::Value& options, const oci::Digest& diff_id) {
    const json::Value& wanted = options["platform"];
    const oci::Platform platform = wanted.is_string() && !wanted.as_string().empty()
                                       ? oci::parse_platform(wanted.as_string())
                                       : oci::host_platform();
    const std::string created = format_rfc3339(now_ns());
    json::Object config{
        {"architecture",
         platform.architecture.empty() ? oci::host_platform().architecture : platform.architecture},
        {"os", platform.os.empty() ? "linux" : platform.os},
        {"created", created},
        {"config", options["changes"].is_null() ? json::Value(json::Object()) : options["changes"]},
        {"rootfs", json::Object{{"type", "layers"}, {"diff_ids", json::Array{diff_id.str()}}}},
    };
    if (!platform.variant.empty()) config["variant"] = platform.variant;
    json::Object history{{"created", created}};
    if (options["message"].is_string()) history["comment"] = options["message"];
    config["history"] = json::Array{std::move(history)};
    return config;
}

/// Spools the stream as a blob and converts it on the way.
LayerMessage take_layer(archive::ByteSource& stream, Staging& staging, Messages& messages,
                        const std::set<std::string>& known_layers, std::string_view purpose,
                        bool may_be_empty) {
    BlobWriter writer(staging);
    archive::TeeSource spooled(stream,
                               [&](std::span<const std::byte> chunk) { writer.write(chunk); });
    ConvertedLayer layer;
    try {
        const std::vector<std::byte> head = peek(spooled);
        if (head.empty()) throw Error(ErrorKind::invalid_argument, "the archive is empty");
        archive::PrefixedSource whole(head, spooled);
        layer = convert_layer(staging, whole, {}, Hashing::compressed_only);
        archive::drain(spooled);
    } catch (const Error& error) {
        throw staging.explain(error, purpose, 2 * writer.size());
    }
    const oci::Digest blob = writer.finish();
    if (layer.diff_id.empty()) layer.diff_id = blob;
    if (!layer.end_marker_seen) messages.warning("the tar has no end marker: it may be cut short");
    for (const std::string& warning : layer.warnings) messages.warning(warning);

    LayerMessage message;
    message.diff_id = layer.diff_id;
    message.blob = blob;
    message.media_type =
        layer.compression == archive::Compression::gzip   ? oci::media_type::oci_layer_gzip
        : layer.compression == archive::Compression::zstd ? oci::media_type::oci_layer_zstd
                                                          : oci::media_type::oci_layer;
    message.size = layer.size;
    if (!known_layers.contains(layer.diff_id.str())) message.file = layer.file;
    message.entries = layer.statistics.entries;
    message.content_size = layer.statistics.content_bytes;
    message.blob_size = writer.size();
    if (may_be_empty && message.entries == 0) return message;
    messages.blob(blob, writer.size(), writer.name());
    messages.layer(message);
    return message;
}

/// Stores config and manifest and says that they are an image.
void finish_image(const json::Value& config_value, std::vector<oci::Descriptor> layers,
                  const json::Value& reference, Staging& staging, Messages& messages) {
    const Document config = store_document(config_value, staging, messages);
    oci::Manifest manifest;
    manifest.config = describe(oci::media_type::oci_config, config.digest, config.text.size());
    manifest.layers = std::move(layers);
    const Document manifest_document = store_document(oci::to_json(manifest), staging, messages);
    std::vector<std::string> tags;
    if (reference.is_string() && !reference.as_string().empty())
        tags.push_back(reference.as_string());
    messages.image(config.digest, manifest_document.digest, tags);
}

/// The config of the image below, with what the commit says over it.
json::Value make_commit_config(const json::Value& request, const LayerMessage* layer) {
    json::Value config = request["config"];
    // Who made the image below, and in which container, says nothing of this one.
    for (const char* name : {"container", "container_config", "id", "parent", "docker_version"})
        config.as_object().erase(name);
    const std::string created = format_rfc3339(now_ns());
    config["created"] = created;
    config["author"] = request["author"];
    config["config"] = request["block"];
    json::Object history{{"created", created}};
    for (const auto& [member, name] :
         {std::pair{"author", "author"}, std::pair{"created_by", "createdBy"},
          std::pair{"comment", "comment"}})
        if (!request[name].as_string().empty()) history[member] = request[name];
    if (!layer) history["empty_layer"] = true;
    json::Value& entries = config["history"];
    if (entries.is_null()) entries = json::Array();
    entries.as_array().push_back(std::move(history));
    if (layer) config["rootfs"]["diff_ids"].as_array().push_back(layer->diff_id.str());
    return config;
}

}  // namespace

void import_image(archive::ByteSource& stream, std::string_view options_text, Staging& staging,
                  Messages& messages, const std::set<std::string>& known_layers) {
    const json::Value options =
        options_text.empty() ? json::Value(json::Object()) : json::parse(options_text);
    const LayerMessage layer = take_layer(stream, staging, messages, known_layers,
                                          "storing the root file system and unpacking it", false);
    finish_image(make_config(options, layer.diff_id),
                 {describe(layer.media_type, layer.blob, layer.blob_size)}, options["reference"],
                 staging, messages);
}

void take_step_layer(archive::ByteSource& stream, Staging& staging, Messages& messages,
                     const std::set<std::string>& known_layers) {
    take_layer(stream, staging, messages, known_layers, "storing the step's layer and unpacking it",
               true);
}

void commit(archive::ByteSource& stream, std::string_view request_text, Staging& staging,
            Messages& messages, const std::set<std::string>& known_layers) {
    const json::Value request = json::parse(request_text);
    const LayerMessage layer = take_layer(stream, staging, messages, known_layers,
                                          "storing the container's layer and unpacking it", true);
    std::vector<oci::Descriptor> layers;
    for (const json::Value& below : request["layers"].as_array())
        layers.push_back(oci::parse_descriptor(below));
    const bool is_empty = layer.entries == 0;
    if (!is_empty) layers.push_back(describe(layer.media_type, layer.blob, layer.blob_size));
    finish_image(make_commit_config(request, is_empty ? nullptr : &layer), std::move(layers),
                 request["reference"], staging, messages);
}

}  // namespace hull::transfer
