#include "registry/manifest_facts.hh"

#include "base/text.hh"
#include "oci/descriptor.hh"
#include "registry/refusal.hh"

namespace hull::registry {

namespace {

using oci::media_type::docker_list, oci::media_type::docker_manifest, oci::media_type::oci_index,
    oci::media_type::oci_manifest;
constexpr std::string_view artifact_manifest = "application/vnd.oci.artifact.manifest.v1+json";
constexpr std::string_view schema_1 = "application/vnd.docker.distribution.manifest.v1";

template <typename... Args>
Refusal invalid(fmt::format_string<Args...> text, Args&&... args) {
    return {400, code::manifest_invalid, text, std::forward<Args>(args)...};
}

const std::string& text_member(const json::Value& value, std::string_view name) {
    static const std::string none;
    const json::Value& member = value[name];
    if (member.is_null()) return none;
    if (!member.is_string()) throw invalid("manifest invalid: {} is not a string", name);
    return member.as_string();
}

ManifestFacts::Reference parse_reference(const json::Value& value, const std::string& where) {
    if (!value.is_object()) throw invalid("manifest invalid: {} is not a descriptor", where);
    const auto digest = ContentDigest::find(text_member(value, "digest"));
    if (!digest)
        throw invalid("manifest invalid: {} has the invalid digest \"{}\"", where,
                      std::string_view(text_member(value, "digest")).substr(0, 200));
    const json::Value& size = value["size"];
    if (!size.is_number() || size.as_double() < 0)
        throw invalid("manifest invalid: {} has no valid size", where);
    ManifestFacts::Reference reference{.digest = *digest};
    try {
        reference.size = size.as_uint();
    } catch (const Error&) {
        throw invalid("manifest invalid: {} has no valid size", where);
    }
    const std::string& type = text_member(value, "mediaType");
    const json::Value& urls = value["urls"];
    reference.is_elsewhere = (urls.is_array() && !urls.as_array().empty()) ||
                             type.find("foreign") != std::string::npos ||
                             type.find("nondistributable") != std::string::npos;
    return reference;
}

void add_references(const json::Value& document, std::string_view name, bool is_manifest,
                    ManifestFacts& facts) {
    const json::Value& list = document[name];
    if (list.is_null()) return;
    if (!list.is_array()) throw invalid("manifest invalid: {} is not an array", name);
    std::size_t index = 0;
    for (const json::Value& entry : list.as_array()) {
        facts.references.push_back(parse_reference(entry, fmt::format("{}[{}]", name, index++)));
        facts.references.back().is_manifest = is_manifest;
    }
}

/// `document` has no mediaType that we could believe.
std::string_view guess_type(const json::Value& document) {
    if (!document["manifests"].is_null()) return oci_index;
    if (!document["fsLayers"].is_null()) return schema_1;
    return oci_manifest;
}

json::Value parse_document(std::string_view text) {
    try {
        json::Value document = json::parse(text);
        if (document.is_object()) return document;
    } catch (const Error& error) {
        throw invalid("manifest invalid: {}", error.message());
    }
    throw invalid("manifest invalid: it is not a JSON object");
}

bool says_nothing(std::string_view content_type) {
    return content_type.empty() || content_type == "application/json" ||
           content_type == "application/octet-stream" ||
           content_type == "application/x-www-form-urlencoded";
}

std::string choose_type(const json::Value& document, std::string_view content_type) {
    const std::string& own = text_member(document, "mediaType");
    if (says_nothing(content_type)) return own.empty() ? std::string(guess_type(document)) : own;
    if (!own.empty() && own != content_type)
        throw invalid("manifest invalid: its mediaType is {} but its Content-Type {}", own,
                      content_type);
    return std::string(content_type);
}

}  // namespace

bool is_index(std::string_view media_type) {
    return media_type == oci_index || media_type == docker_list;
}

ManifestFacts parse_manifest_facts(std::string_view text, std::string_view content_type) {
    content_type = trim(content_type.substr(0, content_type.find(';')));
    const json::Value document = parse_document(text);
    ManifestFacts facts;
    facts.media_type = choose_type(document, content_type);
    const std::string& type = facts.media_type;
    if (type.starts_with(schema_1))
        throw invalid("schema 1 manifests are not supported: push with a client younger than 2017");
    if (type != oci_manifest && type != oci_index && type != docker_manifest &&
        type != docker_list && type != artifact_manifest)
        throw invalid("unsupported manifest type \"{}\"", std::string_view(type).substr(0, 200));
    const json::Value& version = document["schemaVersion"];
    if (type != artifact_manifest && !(version == json::Value(2)))
        throw invalid("manifest invalid: schemaVersion is not 2");
    // CVE-2021-41190: read as one type by one client and as the other by the next.
    const bool has_layers = !document["layers"].is_null() || !document["config"].is_null();
    if (has_layers && !document["manifests"].is_null())
        throw invalid("manifest invalid: it has both layers and manifests");

    if (is_index(type)) {
        if (has_layers) throw invalid("manifest invalid: an index has no layers");
        add_references(document, "manifests", true, facts);
    } else {
        if (!document["manifests"].is_null())
            throw invalid("manifest invalid: only an index has manifests");
        if (type != artifact_manifest)
            facts.references.push_back(parse_reference(document["config"], "config"));
        add_references(document, type == artifact_manifest ? "blobs" : "layers", false, facts);
    }
    if (!document["subject"].is_null())
        facts.subject = parse_reference(document["subject"], "subject").digest;
    facts.artifact_type = text_member(document, "artifactType");
    if (facts.artifact_type.empty() && !is_index(type))
        facts.artifact_type = text_member(document["config"], "mediaType");
    if (document["annotations"].is_object()) facts.annotations = document["annotations"];
    return facts;
}

std::string find_media_type(std::string_view text) {
    const json::Value document = parse_document(text);
    return choose_type(document, "");
}

std::optional<ContentDigest> find_default_platform(std::string_view index_text) {
    const json::Value document = parse_document(index_text);
    if (!document["manifests"].is_array()) return std::nullopt;
    for (const json::Value& entry : document["manifests"].as_array()) {
        const json::Value& platform = entry["platform"];
        if (platform["os"] == json::Value("linux") &&
            platform["architecture"] == json::Value("amd64"))
            return ContentDigest::find(text_member(entry, "digest"));
    }
    return std::nullopt;
}

}  // namespace hull::registry
