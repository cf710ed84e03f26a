#include "oci/json_fields.hh"
#include "oci/manifest.hh"

namespace hull::oci {

void load(const Field& field, Digest& target) {
    std::string text;
    load(field, text);
    try {
        target = Digest::parse(text);
    } catch (const Error& error) {
        field.fail(error.message());
    }
}

void load(const Field& field, Platform& target) {
    field.read("os", target.os);
    field.read("architecture", target.architecture);
    field.read("variant", target.variant);
    field.read("os.version", target.os_version);
    field.read("os.features", target.os_features);
}

void load(const Field& field, Descriptor& target) {
    field.read("mediaType", target.media_type);
    field.read_required("digest", target.digest);
    field.read_required("size", target.size);
    if (target.size < 0) field.member("size").fail("must not be negative");
    field.read("urls", target.urls);
    field.read("annotations", target.annotations);
    field.read("artifactType", target.artifact_type);
    field.read("data", target.data);
    field.read("platform", target.platform);
}

Platform parse_platform_json(const json::Value& value) {
    Platform platform;
    load(Field(value, "platform"), platform);
    return platform;
}

json::Value to_json(const Platform& platform) {
    return Members()
        .put_always("architecture", platform.architecture)
        .put_always("os", platform.os)
        .put("os.version", platform.os_version)
        .put("os.features", platform.os_features)
        .put("variant", platform.variant)
        .take();
}

Descriptor parse_descriptor(const json::Value& value) {
    Descriptor descriptor;
    load(Field(value, "descriptor"), descriptor);
    return descriptor;
}

json::Value to_json(const Descriptor& descriptor) {
    return Members()
        .put("mediaType", descriptor.media_type)
        .put_always("digest", descriptor.digest.str())
        .put_always("size", descriptor.size)
        .put("urls", descriptor.urls)
        .put("annotations", descriptor.annotations)
        .put("data", descriptor.data)
        .put("platform", descriptor.platform)
        .put("artifactType", descriptor.artifact_type)
        .take();
}

namespace {

void load_manifest(const Field& field, Manifest& target) {
    field.read_required("config", target.config);
    field.read("layers", target.layers);
    field.read("artifactType", target.artifact_type);
    field.read("subject", target.subject);
    field.read("annotations", target.annotations);
}

void load_index(const Field& field, Index& target) {
    field.read("manifests", target.manifests);
    field.read("artifactType", target.artifact_type);
    field.read("subject", target.subject);
    field.read("annotations", target.annotations);
}

/// `mediaType` of the text, else what the transport said, else by the members.
std::string find_type(const Field& field, std::string_view expected_type) {
    std::string type;
    field.read("mediaType", type);
    if (type.empty()) type = expected_type;
    if (is_manifest_type(type) || is_index_type(type)) return type;
    if (!type.empty() && type != "application/json" && type != "application/octet-stream" &&
        type != "text/plain")
        throw Error(ErrorKind::unsupported, "unsupported manifest media type {}", type);
    return std::string(field.value()["manifests"].is_null() ? media_type::oci_manifest
                                                            : media_type::oci_index);
}

}  // namespace

std::variant<Manifest, Index> parse_manifest_or_index(std::string_view text,
                                                      std::string_view expected_type) {
    const json::Value value = json::parse(text);
    if (!value.is_object())
        throw Error(ErrorKind::invalid_argument, "a manifest has to be a JSON object");
    const Field field(value);
    if (value["schemaVersion"].is_null() && value["config"].is_null() &&
        value["manifests"].is_null())
        throw Error(ErrorKind::invalid_argument, "not a manifest: no schemaVersion");
    int version = 2;
    field.read("schemaVersion", version);
    if (version == 1 || !value["fsLayers"].is_null())
        throw Error(ErrorKind::unsupported, "schema 1 image manifests are no longer supported");
    if (version != 2)
        throw Error(ErrorKind::unsupported, "unsupported manifest schema version {}", version);
    // A text that reads as both would mean one thing here and another elsewhere (CVE-2021-41190).
    const bool is_both =
        !value["manifests"].is_null() && (!value["layers"].is_null() || !value["config"].is_null());
    if (is_both)
        throw Error(ErrorKind::invalid_argument,
                    "ambiguous manifest: it has both \"manifests\" and \"layers\" or \"config\"");
    const std::string type = find_type(field, expected_type);
    if (is_index_type(type)) {
        Index index{.media_type = type};
        load_index(field, index);
        return index;
    }
    Manifest manifest{.media_type = type};
    load_manifest(field, manifest);
    return manifest;
}

Manifest parse_manifest(std::string_view text, std::string_view expected_type) {
    auto parsed = parse_manifest_or_index(text, expected_type);
    if (auto* manifest = std::get_if<Manifest>(&parsed)) return std::move(*manifest);
    throw Error(ErrorKind::invalid_argument, "expected an image manifest, got an index");
}

Index parse_index(std::string_view text, std::string_view expected_type) {
    auto parsed = parse_manifest_or_index(text, expected_type);
    if (auto* index = std::get_if<Index>(&parsed)) return std::move(*index);
    throw Error(ErrorKind::invalid_argument, "expected an image index, got a manifest");
}

json::Value to_json(const Manifest& manifest) {
    return Members()
        .put_always("schemaVersion", 2)
        .put("mediaType", manifest.media_type)
        .put("artifactType", manifest.artifact_type)
        .put_always("config", manifest.config)
        .put_always("layers", manifest.layers)
        .put("subject", manifest.subject)
        .put("annotations", manifest.annotations)
        .take();
}

json::Value to_json(const Index& index) {
    return Members()
        .put_always("schemaVersion", 2)
        .put("mediaType", index.media_type)
        .put("artifactType", index.artifact_type)
        .put_always("manifests", index.manifests)
        .put("subject", index.subject)
        .put("annotations", index.annotations)
        .take();
}

const Descriptor* find_platform(const Index& index, const Platform& wanted) {
    const Descriptor* best = nullptr;
    int best_score = 0;
    for (const Descriptor& descriptor : index.manifests) {
        // Without a platform only its config could tell: better than nothing.
        const int score = descriptor.platform ? match(wanted, *descriptor.platform) : 1;
        if (score > best_score) {
            best = &descriptor;
            best_score = score;
        }
    }
    return best;
}

}  // namespace hull::oci
