#include "api/server/progress_stream.hh"
#include "api/server/registry_access.hh"
#include "api/server/routes.hh"
#include "base/text.hh"
#include "oci/platform.hh"
#include "oci/reference.hh"

#include <algorithm>

namespace hull::server {

namespace {

using http::Response;

constexpr std::int64_t default_results = 25, most_results = 100;

/// The registry of what `login` sends: "https://index.docker.io/v1/", "localhost:5000", "".
std::string registry_of_address(std::string address) {
    if (const std::size_t scheme = address.find("://"); scheme != std::string::npos)
        address.erase(0, scheme + 3);
    address.resize(std::min(address.find('/'), address.size()));
    if (address.empty() || address == "index.docker.io" || address == "registry-1.docker.io")
        return "docker.io";
    return address;
}

/// POST /auth: 200 with the identity token there is, 401 when the registry does not take it.
Response check_login(Call& call) {
    image::RegistryAccess access = registry_access(call);
    access.credentials = call.body();
    const json::Value& address = access.credentials["serveraddress"];
    const std::string registry =
        registry_of_address(address.is_string() ? address.as_string() : std::string());
    const json::Value answer =
        call.images.ask_registry({{"ask", "login"}, {"repository", registry + "/login"}}, access,
                                 &call.exchange.stop_event());
    return Response::json(json::Object{{"Status", "Login Succeeded"},
                                       {"IdentityToken", answer["identityToken"].as_string()}});
}

/// GET /distribution/{name}/json: what a reference stands for, without pulling it.
Response inspect_distribution(Call& call) {
    const oci::Reference reference = oci::Reference::parse(call.path("name")).with_default_tag();
    const json::Value answer = call.images.ask_registry(
        {{"ask", "inspect"},
         {"repository", reference.name()},
         {"reference", reference.digest().empty() ? reference.tag() : reference.digest().str()}},
        registry_access(call), &call.exchange.stop_event());
    return Response::json(
        json::Object{{"Descriptor", answer["descriptor"]}, {"Platforms", answer["platforms"]}});
}

bool parse_bool_filter(const std::string& name, const std::vector<std::string>& values) {
    if (values.size() == 1) {
        if (values[0] == "1" || values[0] == "true") return true;
        if (values[0] == "0" || values[0] == "false") return false;
    }
    throw Error(ErrorKind::invalid_argument, "invalid filter '{}={}'", name,
                values.empty() ? std::string("[]") : "[" + values[0] + "]");
}

/// GET /images/search?term=&limit=&filters=
Response search_images(Call& call) {
    std::string term = call.query("term");
    if (term.empty()) throw Error(ErrorKind::invalid_argument, "empty search term");
    if (term.find("://") != std::string::npos)
        throw Error(ErrorKind::invalid_argument,
                    "invalid repository name: repository name ({}) should not have a scheme", term);
    const std::int64_t limit = call.find_integer("limit").value_or(default_results);
    if (limit < 1 || limit > most_results)
        throw Error(ErrorKind::invalid_argument, "limit {} is outside the range of [1, {}]", limit,
                    most_results);
    std::optional<bool> official;
    std::int64_t least_stars = 0;
    for (const auto& [name, values] : call.filters()) {
        if (name == "is-official") {
            official = parse_bool_filter(name, values);
        } else if (name == "is-automated") {
            parse_bool_filter(name, values);
        } else if (name == "stars") {
            for (const std::string& value : values)
                least_stars = std::max<std::int64_t>(least_stars, std::atoll(value.c_str()));
        } else {
            throw Error(ErrorKind::invalid_argument, "invalid filter '{}'", name);
        }
    }
    std::string registry = "docker.io";
    if (const std::size_t slash = term.find('/'); slash != std::string::npos) {
        const std::string first = term.substr(0, slash);
        if (first == "localhost" || first.find_first_of(".:") != std::string::npos) {
            registry = first;
            term.erase(0, slash + 1);
        }
    }
    if (term.starts_with("library/")) term.erase(0, 8);
    const json::Value answer = call.images.ask_registry(
        {{"ask", "search"}, {"repository", registry + "/search"}, {"term", term}, {"limit", limit}},
        registry_access(call), &call.exchange.stop_event());
    json::Array results;
    for (const json::Value& item : answer["items"].as_array()) {
        if (official && item["is_official"].as_bool() != *official) continue;
        if (item["star_count"].as_int() < least_stars) continue;
        results.push_back(item);
    }
    return Response::json(results);
}

/// POST /images/{name}/push?tag=&platform=: errors after the first message are messages.
void push_image(Call& call) {
    if (!call.exchange.headers.find("X-Registry-Auth") && !call.exchange.has_body())
        throw Error(ErrorKind::invalid_argument, "Bad parameters and missing X-Registry-Auth: EOF");
    image::PushOptions options;
    if (const std::string platform = call.query("platform"); platform.starts_with('{'))
        options.platform = oci::parse_platform_json(json::parse(platform)).str();
    else
        options.platform = platform;
    options.reference = call.path("name");
    if (const std::string tag = call.query("tag"); !tag.empty()) options.reference += ":" + tag;
    options.access = registry_access(call);
    stream_progress(call, [&](const image::ProgressSink& progress) {
        call.images.push(options, progress, &call.exchange.stop_event());
    });
}

constexpr Route routes[] = {
    {"POST", "/auth", check_login},
    {"GET", "/distribution/{name...}/json", inspect_distribution},
    {"GET", "/images/search", search_images},
    {"POST", "/images/{name...}/push", nullptr, push_image},
};

}  // namespace

std::span<const Route> registry_routes() { return routes; }

}  // namespace hull::server
