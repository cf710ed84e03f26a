#include "oci/descriptor.hh"
#include "oci/reference.hh"
#include "registry/api.hh"
#include "registry/manifest_facts.hh"

#include <array>
#include <vector>

namespace hull::registry {

namespace {

constexpr std::size_t max_tags_per_push = 100;

Refusal unknown_manifest(const Call& call) {
    return Refusal(404, code::manifest_unknown, "manifest unknown: {} in {}",
                   std::string_view(call.route.reference).substr(0, 200), call.route.repository)
        .with_detail(
            json::Object{{"name", call.route.repository}, {"reference", call.route.reference}});
}

/// Digest or tag of the path.
struct Reference {
    std::optional<ContentDigest> digest;
    std::string tag;
};

Reference parse_reference(const std::string& text) {
    if (text.find(':') != std::string::npos) return {ContentDigest::parse(text), ""};
    if (!oci::is_valid_tag(text))
        throw Refusal(400, code::manifest_invalid, "invalid tag \"{}\"",
                      std::string_view(text).substr(0, 200));
    return {std::nullopt, text};
}

/// Whether the Accept headers take `type`; none at all take everything.
bool accepts(const http::Headers& headers, std::string_view type) {
    bool is_any = true;
    for (const auto& [name, value] : headers) {
        if (!http::equal_folded(name, "Accept")) continue;
        is_any = false;
        std::string_view rest = value;
        while (!rest.empty()) {
            const std::size_t comma = std::min(rest.find(','), rest.size());
            std::string_view entry = rest.substr(0, comma);
            rest.remove_prefix(std::min(comma + 1, rest.size()));
            entry = entry.substr(0, entry.find(';'));
            while (entry.starts_with(' ')) entry.remove_prefix(1);
            while (entry.ends_with(' ')) entry.remove_suffix(1);
            if (entry == type || entry == "*/*" || entry == "application/*" ||
                entry == "application/json")
                return true;
        }
    }
    return is_any;
}

std::string describe(const ManifestFacts& facts, const Storage::Manifest& manifest) {
    json::Object descriptor{{"mediaType", manifest.media_type},
                            {"digest", manifest.digest.str()},
                            {"size", manifest.text.size()}};
    if (!facts.artifact_type.empty()) descriptor["artifactType"] = facts.artifact_type;
    if (!facts.annotations.is_null()) descriptor["annotations"] = facts.annotations;
    return json::dump(descriptor);
}

/// Everything the manifest needs must be in the repository. The caller holds the structure.
void check_references(Storage& storage, const std::string& repository, const ManifestFacts& facts,
                      bool sparse) {
    for (const ManifestFacts::Reference& reference : facts.references) {
        const std::string& digest = reference.digest.str();
        if (reference.is_manifest ? sparse : reference.is_elsewhere) continue;
        const bool is_here = reference.is_manifest
                                 ? storage.has_manifest(repository, reference.digest)
                                 : storage.has_blob(repository, reference.digest);
        const auto size = storage.find_content_size(reference.digest);
        if (!is_here || !size)
            throw Refusal(404, code::manifest_blob_unknown, "{} {} is unknown in {}: push it first",
                          reference.is_manifest ? "manifest" : "blob", digest, repository)
                .with_detail(json::Object{{"digest", digest}});
        if (*size != reference.size)
            throw Refusal(400, code::manifest_invalid,
                          "manifest invalid: it says that {} has {} bytes, it has {}", digest,
                          reference.size, *size);
    }
}

std::vector<std::string> tags_to_set(const Call& call, const Reference& reference) {
    std::vector<std::string> tags;
    if (!reference.tag.empty()) tags.push_back(reference.tag);
    for (const auto& [name, value] : call.exchange.query) {
        if (name != "tag") continue;
        if (!oci::is_valid_tag(value))
            throw Refusal(400, code::manifest_invalid, "invalid tag \"{}\"",
                          std::string_view(value).substr(0, 200));
        tags.push_back(value);
    }
    if (tags.size() > max_tags_per_push)
        throw Refusal(414, code::unsupported, "more than {} tags in one request",
                      max_tags_per_push);
    return tags;
}

}  // namespace

/// GET and HEAD (end-3).
void Api::get_manifest(Call& call) {
    const std::string& repository = call.route.repository;
    const http::Headers& asked = call.exchange.headers;
    const Reference reference = parse_reference(call.route.reference);
    const auto digest =
        reference.digest ? reference.digest : contents_.find_tag(repository, reference.tag);
    if (!digest) throw unknown_manifest(call);
    auto manifest = contents_.find_manifest(repository, *digest);
    if (!manifest) throw unknown_manifest(call);
    if (!accepts(asked, manifest->media_type)) {
        // An old client that knows single images only gets the one it most likely runs.
        std::optional<ContentDigest> single;
        if (is_index(manifest->media_type) && !reference.digest)
            single = find_default_platform(manifest->text);
        manifest = single ? contents_.find_manifest(repository, *single) : std::nullopt;
        if (!manifest || !accepts(asked, manifest->media_type))
            throw Refusal(404, code::manifest_unknown,
                          "{} in {} has a type that the Accept header does not name",
                          call.route.reference, repository);
    }
    const std::string etag = "\"" + manifest->digest.str() + "\"";
    http::Headers headers{{"Content-Type", manifest->media_type},
                          {"Docker-Content-Digest", manifest->digest.str()},
                          {"ETag", etag}};
    if (asked.has_token("If-None-Match", etag)) return call.send(304, std::move(headers));
    call.send(200, std::move(headers), std::move(manifest->text));
}

/// PUT (end-7a, 7b).
void Api::put_manifest(Call& call) {
    const std::string& repository = call.route.repository;
    const Reference reference = parse_reference(call.route.reference);
    const std::vector<std::string> tags = tags_to_set(call, reference);
    const auto too_large = [&] {
        return Refusal(413, code::manifest_invalid,
                       "manifest {} of {} is larger than {} bytes, the most this registry takes",
                       call.route.reference, repository, options_.manifest_bytes);
    };
    if (call.exchange.body_size().value_or(0) > options_.manifest_bytes) throw too_large();
    std::string text;
    for (;;) {
        const std::string_view piece = call.exchange.read_body_piece();
        if (piece.empty()) break;
        if (text.size() + piece.size() > options_.manifest_bytes) throw too_large();
        text += piece;
    }
    call.received = text.size();

    const ContentDigest digest = ContentDigest::of(
        text, reference.digest ? reference.digest->algorithm() : std::string_view("sha256"));
    if (reference.digest && *reference.digest != digest)
        throw Refusal(400, code::digest_invalid,
                      "provided digest did not match uploaded content: {} was announced for a "
                      "manifest of {}, what came is {}",
                      reference.digest->str(), repository, digest.str());
    const ManifestFacts facts =
        parse_manifest_facts(text, call.exchange.headers.get("Content-Type"));
    const Storage::Manifest manifest{std::move(text), facts.media_type, digest};
    std::optional<Storage::Referrer> referrer;
    if (facts.subject) referrer = {*facts.subject, describe(facts, manifest)};
    {
        const auto shared = storage_.structure().share();
        check_references(storage_, repository, facts, options_.sparse_indexes);
        if (!storage_.has_manifest(repository, digest))
            quotas_.take(repository, manifest.text.size());
        storage_.put_manifest(repository, manifest, referrer);
        for (const std::string& tag : tags) storage_.put_tag(repository, tag, digest);
    }
    metrics_.manifest_pushes++;
    http::Headers headers{
        {"Location", fmt::format("/v2/{}/manifests/{}", repository, digest.str())},
        {"Docker-Content-Digest", digest.str()}};
    if (facts.subject) headers.set("OCI-Subject", facts.subject->str());
    if (reference.digest)
        for (const std::string& tag : tags) headers.add("OCI-Tag", tag);
    call.send(201, std::move(headers));
}

/// DELETE (end-9): a tag, or a manifest with its tags.
void Api::delete_manifest(Call& call) {
    const Reference reference = parse_reference(call.route.reference);
    if (!options_.deletes)
        throw Refusal(405, code::unsupported, "deleting is disabled in this registry");
    const bool was_here = reference.digest
                              ? storage_.remove_manifest(call.route.repository, *reference.digest)
                              : storage_.remove_tag(call.route.repository, reference.tag);
    if (!was_here) throw unknown_manifest(call);
    quotas_.forget(call.route.repository);
    call.send(202);
}

}  // namespace hull::registry
