// What is told of a build beside its image, for those who ask where an image comes from.
#include "build/provenance.hh"

#include "base/time.hh"
#include "build/build.hh"
#include "oci/reference.hh"

namespace hull::build {

namespace {

constexpr std::string_view build_type =
    "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md";
constexpr std::int64_t second_ns = 1'000'000'000;

/// {"sha256": "…"} of "sha256:…".
json::Object digest_set(const std::string& digest) {
    const std::size_t colon = digest.find(':');
    return {{digest.substr(0, colon), digest.substr(colon + 1)}};
}

json::Array ids_of(const auto& map) {
    json::Array ids;
    for (const auto& [id, value] : map) ids.push_back(id);
    return ids;
}

/// What was asked for. What may be private (values, names of secrets) only in full.
json::Object describe_request(const BuildRequest& request, bool is_full) {
    json::Object arguments;
    if (!request.target.empty()) arguments["target"] = request.target;
    if (is_full) {
        for (const auto& [name, value] : request.build_args) arguments["build-arg:" + name] = value;
        for (const auto& [name, value] : request.labels) arguments["label:" + name] = value;
    }
    json::Object described{{"frontend", "dockerfile.v0"},
                           {"args", std::move(arguments)},
                           {"locals", json::Array{json::Object{{"name", "context"}},
                                                  json::Object{{"name", "dockerfile"}}}}};
    if (is_full && !request.secrets.empty()) described["secrets"] = ids_of(request.secrets);
    if (is_full && !request.ssh.empty()) described["ssh"] = ids_of(request.ssh);
    return described;
}

}  // namespace

json::Value Build::describe_provenance() {
    const bool is_full = request_.provenance == Provenance::max;
    json::Array materials;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [address, digest] : materials_)
            materials.push_back(json::Object{{"uri", address}, {"digest", digest_set(digest)}});
    }
    json::Object internal{{"builderPlatform", oci::host_platform().str()}};
    if (is_full) {
        json::Array steps;
        for (const StepRecord& step : record_.steps())
            steps.push_back(json::Object{{"number", step.number},
                                         {"stage", step.stage},
                                         {"instruction", step.text},
                                         {"layer", step.diff_id}});
        internal["steps"] = std::move(steps);
        internal["dockerfile"] = file_.source.text;
    }
    // With a time given the statement is as reproducible as the image.
    json::Object metadata{
        {"startedOn", format_rfc3339(epoch_s_ ? *epoch_s_ * second_ns : record_.started_ns())},
        {"finishedOn", format_rfc3339(epoch_s_ ? *epoch_s_ * second_ns : now_ns())},
        {"buildkit_completeness",
         json::Object{{"request", is_full}, {"resolvedDependencies", false}}}};
    if (!epoch_s_) metadata["invocationId"] = record_.id();
    return json::Object{
        {"buildDefinition",
         json::Object{{"buildType", build_type},
                      {"externalParameters",
                       json::Object{{"configSource", json::Object{{"path", file_.source.name}}},
                                    {"request", describe_request(request_, is_full)}}},
                      {"internalParameters", std::move(internal)},
                      {"resolvedDependencies", std::move(materials)}}},
        {"runDetails", json::Object{{"builder", json::Object{{"id", request_.builder_id}}},
                                    {"metadata", std::move(metadata)}}}};
}

std::string provenance_statement(const std::vector<std::string>& references,
                                 const std::string& platform, const std::string& digest,
                                 const json::Value& predicate) {
    json::Array subjects;
    for (const std::string& reference : references)
        subjects.push_back(json::Object{{"name", package_address(reference, platform)},
                                        {"digest", digest_set(digest)}});
    if (references.empty())
        subjects.push_back(json::Object{{"name", "_"}, {"digest", digest_set(digest)}});
    return json::dump(json::Object{{"_type", "https://in-toto.io/Statement/v0.1"},
                                   {"predicateType", provenance_type},
                                   {"subject", std::move(subjects)},
                                   {"predicate", predicate}});
}

std::string package_address(const std::string& reference, const std::string& platform) {
    const oci::Reference name = oci::Reference::parse(reference).with_default_tag();
    std::string text = "pkg:docker/" + name.familiar_name();
    if (!name.tag().empty()) text += "@" + name.tag();
    std::string escaped;
    for (const char c : platform) escaped += c == '/' ? std::string("%2F") : std::string(1, c);
    return escaped.empty() ? text : text + "?platform=" + escaped;
}

}  // namespace hull::build
