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

}  // namespace

void import_image(archive::ByteSource& stream, std::string_view options_text, Staging& staging,
                  Messages& messages, const std::set<std::string>& known_layers) {
    const json::Value options =
        options_text.empty() ? json::Value(json::Object()) : json::parse(options_text);
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
        throw staging.explain(error, "storing the root file system and unpacking it",
                              2 * writer.size());
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
    messages.blob(blob, writer.size(), writer.name());
    messages.layer(message);

    const Document config = store_document(make_config(options, layer.diff_id), staging, messages);
    oci::Manifest manifest;
    manifest.config = describe(oci::media_type::oci_config, config.digest, config.text.size());
    manifest.layers = {describe(message.media_type, blob, writer.size())};
    const Document manifest_document = store_document(oci::to_json(manifest), staging, messages);
    std::vector<std::string> tags;
    if (options["reference"].is_string() && !options["reference"].as_string().empty())
        tags.push_back(options["reference"].as_string());
    messages.image(config.digest, manifest_document.digest, tags);
}

}  // namespace hull::transfer
