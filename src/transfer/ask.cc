#include "transfer/ask.hh"

#include "base/error.hh"
#include "oci/descriptor.hh"
#include "oci/image_config.hh"
#include "oci/manifest.hh"
#include "oci/reference.hh"
#include "transfer/blob_upload.hh"
#include "transfer/remote_image.hh"

#include <algorithm>

namespace hull::transfer {

namespace {

constexpr std::size_t max_search_bytes = 4UL << 20;
constexpr std::string_view hub = "docker.io", hub_index = "https://index.docker.io/";

/// Asks one registry.
class Asker {
public:
    Asker(const json::Value& request, const registry_client::Configuration& configuration)
        : request_(request),
          configuration_(configuration),
          credentials_(registry_client::parse_credentials(request["auth"])),
          name_(request["repository"].as_string()),
          repository_(configuration, name_, credentials_) {}

    json::Value answer();

private:
    registry_client::Registry& origin() { return *repository_.registries().back(); }
    json::Value login();
    json::Value inspect();
    json::Value manifest();
    json::Value referrers();
    json::Value put();
    json::Value search();
    oci::Platform platform_of(const oci::Manifest& manifest);
    void bring(const json::Value& source);
    void put_manifest(const std::string& reference, const std::string& text,
                      const std::string& media_type);

    const json::Value& request_;
    const registry_client::Configuration& configuration_;
    const registry_client::Credentials credentials_;
    const std::string name_;
    RemoteRepository repository_;
};

json::Value Asker::answer() {
    const std::string& question = request_["ask"].as_string();
    if (question == "login") return login();
    if (question == "inspect") return inspect();
    if (question == "manifest") return manifest();
    if (question == "referrers") return referrers();
    if (question == "put") return put();
    if (question == "search") return search();
    throw Error(ErrorKind::invalid_argument, "unknown question {}", question);
}

json::Value Asker::login() {
    registry_client::Registry& registry = origin();
    try {
        return json::Object{{"identityToken", registry.check_login().identity_token}};
    } catch (registry_client::ReplyError& error) {
        if (error.message().find("Get \"") == std::string::npos)
            error.add_context(fmt::format("Get \"{}/v2/\"", registry.origin()));
        throw;
    }
}

/// Of an image's config; empty for artifacts.
oci::Platform Asker::platform_of(const oci::Manifest& manifest) {
    const std::string& type = manifest.config.media_type;
    if (type != oci::media_type::oci_config && type != oci::media_type::docker_config) return {};
    std::string text;
    repository_.on_first([&](registry_client::Registry& registry) {
        text = registry.get_blob(repository_.path(), manifest.config.digest,
                                 static_cast<std::uint64_t>(manifest.config.size));
    });
    return oci::parse_image_config(text).platform;
}

json::Value Asker::inspect() {
    const std::string& reference = request_["reference"].as_string();
    const registry_client::Document document = repository_.get_document(reference);
    const auto parsed = oci::parse_manifest_or_index(document.text, document.media_type);
    oci::Descriptor descriptor;
    descriptor.digest = document.digest;
    descriptor.size = static_cast<std::int64_t>(document.text.size());
    json::Array platforms;
    if (const auto* index = std::get_if<oci::Index>(&parsed)) {
        descriptor.media_type = index->media_type;
        for (const oci::Descriptor& entry : index->manifests)
            if (entry.platform) platforms.push_back(oci::to_json(*entry.platform));
    } else {
        const auto& manifest = std::get<oci::Manifest>(parsed);
        descriptor.media_type = manifest.media_type;
        if (const oci::Platform platform = platform_of(manifest); !platform.os.empty())
            platforms.push_back(oci::to_json(platform));
    }
    return json::Object{{"descriptor", oci::to_json(descriptor)},
                        {"platforms", std::move(platforms)}};
}

json::Value Asker::manifest() {
    const std::string& reference = request_["reference"].as_string();
    registry_client::Document document = repository_.get_document(reference);
    const auto parsed = oci::parse_manifest_or_index(document.text, document.media_type);
    json::Object result{{"text", document.text}, {"digest", document.digest.str()}};
    if (const auto* manifest = std::get_if<oci::Manifest>(&parsed)) {
        result["mediaType"] = manifest->media_type;
        if (const oci::Platform platform = platform_of(*manifest); !platform.os.empty())
            result["platform"] = oci::to_json(platform);
    } else {
        result["mediaType"] = std::get<oci::Index>(parsed).media_type;
    }
    return result;
}

/// What refers to a tag or digest: signatures, SBOMs and other artifacts.
json::Value Asker::referrers() {
    const std::string& reference = request_["reference"].as_string();
    const auto digest = oci::Digest::find(reference);
    const oci::Digest subject = digest ? *digest : repository_.get_document(reference).digest;
    return with_context(
        [&]() -> json::Value {
            json::Array list;
            for (const oci::Descriptor& entry : origin().list_referrers(
                     repository_.path(), subject, request_["artifactType"].as_string()))
                list.push_back(oci::to_json(entry));
            return json::Object{{"subject", subject.str()}, {"referrers", std::move(list)}};
        },
        "{}", repository_.shown(reference));
}

void Asker::put_manifest(const std::string& reference, const std::string& text,
                         const std::string& media_type) {
    registry_client::with_retries(configuration_.attempts, [&] {
        registry_client::Response response = origin().call(
            [&] {
            registry_client::Request request;
            request.method = "PUT";
            request.url = origin().url("v2/" + repository_.path() + "/manifests/" + reference);
            request.headers.add("Content-Type", media_type);
            request.body = text;
            return request;
            },
            {registry_client::Registry::scope(repository_.path(), "pull,push")});
        if (response.status / 100 != 2) registry_client::Registry::refuse(response);
    });
}

/// A manifest of another repository, with its blobs.
void Asker::bring(const json::Value& source) {
    const std::string& from_name = source["repository"].as_string();
    const std::string& digest = source["digest"].as_string();
    const oci::Reference from = oci::Reference::parse(from_name);
    if (from.name() == name_) return;
    if (from.domain() != repository_.domain())
        throw Error(
            ErrorKind::unsupported, "{} is on another registry than {}: copy it there first",
            from.familiar_name() + "@" + digest, oci::Reference::parse(name_).familiar_name());
    RemoteRepository other(configuration_, from_name, credentials_);
    const registry_client::Document document = other.get_document(digest);
    const oci::Manifest manifest = oci::parse_manifest(document.text, document.media_type);
    Uploader uploader(origin(), repository_.path(), configuration_.attempts);
    std::vector<oci::Descriptor> blobs = manifest.layers;
    blobs.push_back(manifest.config);
    for (const oci::Descriptor& blob : blobs)
        if (!uploader.mount_only(blob, from.path()))
            throw Error(ErrorKind::unavailable, "the registry does not mount blob {} from {}",
                        blob.digest.str(), from.path());
    put_manifest(digest, document.text, manifest.media_type);
}

json::Value Asker::put() {
    const std::string& reference = request_["reference"].as_string();
    return with_context(
        [&]() -> json::Value {
            for (const json::Value& source : request_["sources"].as_array()) bring(source);
            const std::string& text = request_["text"].as_string();
            put_manifest(reference, text, request_["mediaType"].as_string());
            return json::Object{{"digest", oci::Digest::of(text).str()}};
        },
        "{}", repository_.shown(reference));
}

/// The search of Docker Hub and of what imitates it: GET /v1/search?q=TERM&n=LIMIT.
json::Value Asker::search() {
    registry_client::HttpClient client(configuration_.network);
    auto endpoints = configuration_.endpoints(repository_.domain(), credentials_);
    registry_client::Endpoint& endpoint = endpoints.back();
    if (repository_.domain() == hub) endpoint.base = registry_client::parse_url(hub_index);
    registry_client::Request request;
    request.headers.add("User-Agent", configuration_.user_agent);
    if (!credentials_.username.empty()) request.headers.add("Authorization", credentials_.basic());
    const std::string path =
        "v1/search" + http::format_query({{"q", request_["term"].as_string()},
                                          {"n", std::to_string(request_["limit"].as_int())}});
    std::string text;
    const auto fetch = [&] {
        request.url = endpoint.base;
        request.url.target += path;
        registry_client::Response response = client.follow(request, endpoint.tls);
        if (response.status != 200) registry_client::Registry::refuse(response);
        text = response.read_text(max_search_bytes);
    };
    try {
        fetch();
    } catch (const registry_client::ReplyError&) {
        throw;
    } catch (const Error&) {
        if (!endpoint.may_be_plain) throw;
        endpoint.base.scheme = "http";
        if (endpoint.base.port == 443) endpoint.base.port = 80;
        fetch();
    }
    const auto string_of = [](const json::Value& value) {
        return value.is_string() ? value.as_string() : std::string();
    };
    const json::Value body = json::parse(text);
    json::Array items;
    for (const json::Value& result : body["results"].as_array())
        items.push_back(json::Object{
            {"name", string_of(result["name"])},
            {"description", string_of(result["description"])},
            {"star_count",
             result["star_count"].is_number() ? result["star_count"].as_int() : std::int64_t{0}},
            {"is_official", result["is_official"].is_bool() && result["is_official"].as_bool()},
            {"is_automated", false},
        });
    return json::Object{{"items", std::move(items)}};
}

}  // namespace

void ask(const json::Value& request, const registry_client::Configuration& configuration,
         Messages& messages) {
    messages.report(json::Object{{"result", Asker(request, configuration).answer()}});
}

}  // namespace hull::transfer
