#include "oci/descriptor.hh"
#include "registry/api.hh"
#include "registry/manifest_facts.hh"

#include <algorithm>
#include <charconv>
#include <set>
#include <vector>

namespace hull::registry {

namespace {

constexpr std::size_t max_catalog_page = 1000;
constexpr std::size_t max_referrers_page_bytes = 4UL << 20;

std::optional<std::size_t> page_size(const http::Exchange& exchange) {
    const auto text = exchange.find_parameter("n");
    if (!text) return std::nullopt;
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    if (text->empty() || error != std::errc() || end != text->data() + text->size())
        throw Refusal(400, code::unsupported, "n is not a number: \"{}\"", text->substr(0, 100));
    return number;
}

/// A page of sorted names.
struct Page {
    std::vector<std::string> names;
    bool has_more = false;
};

Page cut_page(std::vector<std::string> sorted, std::optional<std::string_view> last,
              std::optional<std::size_t> size) {
    if (last) {
        const auto begin = std::upper_bound(sorted.begin(), sorted.end(), *last);
        sorted.erase(sorted.begin(), begin);
    }
    Page page{std::move(sorted)};
    if (size && page.names.size() > *size) {
        page.names.resize(*size);
        page.has_more = *size > 0;
    }
    return page;
}

/// `rel="next"` behind the last name of a page (RFC 8288).
void set_link(http::Headers& headers, const std::string& path, http::Query query) {
    headers.set("Link", fmt::format("<{}{}>; rel=\"next\"", path, http::format_query(query)));
}

}  // namespace

/// GET (end-8a, 8b).
void Api::list_tags(Call& call) {
    const std::string& repository = call.route.repository;
    const auto size = page_size(call.exchange);
    if (!contents_.has_repository(repository))
        throw Refusal(404, code::name_unknown, "repository name not known to registry: {}",
                      repository)
            .with_detail(json::Object{{"name", repository}});
    Page page =
        cut_page(contents_.list_tags(repository), call.exchange.find_parameter("last"), size);
    http::Headers headers;
    if (page.has_more)
        set_link(headers, fmt::format("/v2/{}/tags/list", repository),
                 {{"last", page.names.back()}, {"n", std::to_string(*size)}});
    call.send_json(json::Object{{"name", repository}, {"tags", page.names}}, std::move(headers));
}

/// GET /v2/_catalog, Docker's.
void Api::list_catalog(Call& call) {
    const std::size_t size =
        std::min(page_size(call.exchange).value_or(max_catalog_page), max_catalog_page);
    std::vector<std::string> names = contents_.list_repositories();
    const std::shared_ptr<const Auth> auth = current_auth();
    std::erase_if(names, [&](const std::string& name) { return !auth->lists(call.who, name); });
    Page page = cut_page(std::move(names), call.exchange.find_parameter("last"), size);
    http::Headers headers;
    if (page.has_more)
        set_link(headers, "/v2/_catalog",
                 {{"last", page.names.back()}, {"n", std::to_string(size)}});
    call.send_json(json::Object{{"repositories", page.names}}, std::move(headers));
}

namespace {

/// Descriptors of the index that clients keep under the fallback tag where a registry has no
/// referrers API: "Enabling the Referrers API" has us include them.
void add_fallback(Contents& contents, const std::string& repository, const ContentDigest& subject,
                  std::vector<json::Value>& descriptors) {
    const std::string tag = fmt::format("{}-{}", subject.algorithm(), subject.hex().substr(0, 64));
    const auto digest = contents.find_tag(repository, tag);
    const auto index = digest ? contents.find_manifest(repository, *digest) : std::nullopt;
    if (!index || !is_index(index->media_type)) return;
    std::set<std::string> known;
    for (const json::Value& descriptor : descriptors)
        known.insert(descriptor["digest"].as_string());
    try {
        const json::Value document = json::parse(index->text);
        for (const json::Value& entry : document["manifests"].as_array()) {
            const auto listed = ContentDigest::find(entry["digest"].as_string());
            if (!listed || known.contains(listed->str())) continue;
            const auto manifest = contents.find_manifest(repository, *listed);
            if (manifest && parse_manifest_facts(manifest->text, "").subject == subject)
                descriptors.push_back(entry);
        }
    } catch (const Error&) {
        // A client left something else under that tag.
    }
}

}  // namespace

/// GET (end-12a, 12b). Pages are cut by bytes: annotations may be long.
void Api::list_referrers(Call& call) {
    const ContentDigest subject = ContentDigest::parse(call.route.reference);
    const std::string& repository = call.route.repository;
    const auto wanted_type = call.exchange.find_parameter("artifactType");
    const std::string last(call.exchange.parameter("last"));
    std::vector<json::Value> all;
    for (const std::string& text : contents_.list_referrers(repository, subject))
        all.push_back(json::parse(text));
    add_fallback(contents_, repository, subject, all);
    std::ranges::sort(all, {}, [](const json::Value& d) { return d["digest"].as_string(); });

    json::Array page;
    std::size_t bytes = 0;
    std::string next;
    for (json::Value& descriptor : all) {
        const std::string digest = descriptor["digest"].as_string();
        if (digest <= last) continue;
        if (wanted_type && !(descriptor["artifactType"] == json::Value(*wanted_type))) continue;
        bytes += json::dump(descriptor).size();
        if (!page.empty() && bytes > max_referrers_page_bytes) {
            next = page.back()["digest"].as_string();
            break;
        }
        page.push_back(std::move(descriptor));
    }
    http::Headers headers{{"Content-Type", std::string(oci::media_type::oci_index)}};
    if (wanted_type) headers.set("OCI-Filters-Applied", "artifactType");
    if (!next.empty()) {
        http::Query query{{"last", next}};
        if (wanted_type) query.emplace_back("artifactType", *wanted_type);
        set_link(headers, fmt::format("/v2/{}/referrers/{}", repository, subject.str()), query);
    }
    call.send_json(json::Object{{"schemaVersion", 2},
                                {"mediaType", oci::media_type::oci_index},
                                {"manifests", std::move(page)}},
                   std::move(headers));
}

}  // namespace hull::registry
