#include "registry/client/configuration.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/sys.hh"
#include "base/text.hh"

#include <algorithm>

namespace hull::registry_client {

namespace {

constexpr std::size_t max_file_bytes = 1UL << 20;
constexpr std::string_view hub = "docker.io", hub_host = "registry-1.docker.io";

std::string string_of(const json::Value& value) {
    return value.is_string() ? value.as_string() : std::string();
}

/// The host of host:port.
std::string host_of(const std::string& registry) {
    if (registry.starts_with('[')) return registry.substr(1, registry.find(']') - 1);
    return registry.substr(0, registry.rfind(':'));
}

/// `ca.crt` and other `*.crt` are authorities; `NAME.cert` with `NAME.key` is a client's identity.
/// Source: docker documentation, "Verify repository client with certificates".
void read_certificates(const Path& directory, TlsMaterial& material) {
    if (!sys::find_stat(directory)) return;
    for (const std::string& name : sys::list_directory(directory)) {
        const Path path = join(directory, name);
        if (name.ends_with(".crt")) {
            material.authorities.push_back(read_file(path, max_file_bytes));
        } else if (name.ends_with(".cert")) {
            const Path key = path.substr(0, path.size() - 5) + ".key";
            const auto text = find_file(key, max_file_bytes);
            if (!text)
                throw Error(ErrorKind::invalid_argument, "missing key {} for client certificate {}",
                            key, path);
            material.identities.push_back({read_file(path, max_file_bytes), *text});
        } else if (name.ends_with(".key")) {
            const Path certificate = path.substr(0, path.size() - 4) + ".cert";
            if (!sys::find_stat(certificate))
                throw Error(ErrorKind::invalid_argument, "missing client certificate {} for key {}",
                            certificate, path);
        }
    }
}

std::optional<Proxy> find_proxy(const json::Value& value) {
    if (string_of(value).empty()) return std::nullopt;
    return parse_proxy(value.as_string());
}

}  // namespace

std::string Credentials::basic() const {
    return "Basic " + encode_base64(username + ":" + password);
}

Credentials parse_credentials(const json::Value& value) {
    Credentials credentials;
    if (!value.is_object()) return credentials;
    credentials.username = string_of(value["username"]);
    credentials.password = string_of(value["password"]);
    credentials.identity_token = string_of(value["identitytoken"]);
    credentials.registry_token = string_of(value["registrytoken"]);
    if (const std::string packed = string_of(value["auth"]);
        credentials.username.empty() && !packed.empty()) {
        const auto text = decode_base64(packed);
        const std::size_t colon = text ? text->find(':') : std::string::npos;
        if (colon == std::string::npos)
            throw Error(ErrorKind::invalid_argument, "invalid auth configuration: the member auth");
        credentials.username = text->substr(0, colon);
        credentials.password = text->substr(colon + 1);
    }
    return credentials;
}

Configuration Configuration::parse(const json::Value& value) {
    Configuration configuration;
    configuration.insecure = value["insecure"].as_strings();
    if (value["mirrors"].is_object())
        for (const auto& [registry, urls] : value["mirrors"].as_object())
            configuration.mirrors[registry] = urls.as_strings();
    configuration.certificate_directories = value["certificates"].as_strings();
    configuration.user_agent = string_of(value["userAgent"]);
    if (value["attempts"].is_number())
        configuration.attempts = static_cast<unsigned>(value["attempts"].as_uint());
    if (value["concurrency"].is_number())
        configuration.concurrency = static_cast<unsigned>(value["concurrency"].as_uint());
    if (value["maxLayerBytes"].is_number())
        configuration.max_layer_bytes = value["maxLayerBytes"].as_uint();
    if (value["silenceMs"].is_number())
        configuration.network.silence_ms = static_cast<int>(value["silenceMs"].as_int());
    configuration.network.http_proxy = find_proxy(value["httpProxy"]);
    configuration.network.https_proxy = find_proxy(value["httpsProxy"]);
    configuration.network.no_proxy = string_of(value["noProxy"]);
    return configuration;
}

void Configuration::read_files(const std::string& registry) {
    network.names.hosts = find_file("/etc/hosts", max_file_bytes).value_or("");
    network.names.resolv_conf = find_file("/etc/resolv.conf", max_file_bytes).value_or("");
    for (const char* bundle : {"/etc/ssl/certs/ca-certificates.crt",
                               "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"})
        if (system_authorities_.empty())
            system_authorities_ = find_file(bundle, 4 * max_file_bytes).value_or("");
    std::vector<std::string> registries{registry};
    if (const auto found = mirrors.find(registry); found != mirrors.end())
        for (const std::string& mirror : found->second)
            registries.push_back(parse_url(mirror).authority());
    for (const std::string& name : registries)
        for (const std::string& directory : certificate_directories)
            read_certificates(join(directory, name), materials_[name]);
}

bool Configuration::is_insecure(const std::string& registry) const {
    if (registry.empty()) return false;
    const std::string host = host_of(registry);
    if (host == "localhost" || host == "::1" || in_network("127.0.0.0/8", host)) return true;
    const bool is_named =
        std::any_of(insecure.begin(), insecure.end(), [&](const std::string& rule) {
            return rule == registry || rule == host || in_network(rule, host);
        });
    return is_named || resolves_into_insecure(host);
}

/// As with Docker, a network stands for the names that resolve into it.
bool Configuration::resolves_into_insecure(const std::string& host) const {
    const auto is_network = [](const std::string& rule) {
        return rule.find('/') != std::string::npos;
    };
    if (std::none_of(insecure.begin(), insecure.end(), is_network)) return false;
    if (!numeric_address(host, 1).empty()) return false;  // was looked at as it is
    try {
        for (const Address& address : resolve(network.names, host, 1)) {
            const std::string numeric = host_of(address.str());
            for (const std::string& rule : insecure)
                if (is_network(rule) && in_network(rule, numeric)) return true;
        }
    } catch (const Error&) {
        // Whoever connects will say that the name is unknown.
    }
    return false;
}

TlsMaterial Configuration::material_for(const std::string& registry) const {
    TlsMaterial material;
    if (const auto found = materials_.find(registry); found != materials_.end())
        material = found->second;
    material.system_authorities = system_authorities_;
    material.verify = !is_insecure(registry) || !material.authorities.empty();
    return material;
}

std::vector<Endpoint> Configuration::endpoints(const std::string& registry,
                                               const Credentials& credentials) const {
    std::vector<Endpoint> endpoints;
    if (const auto found = mirrors.find(registry); found != mirrors.end())
        for (const std::string& mirror : found->second) {
            Endpoint& endpoint = endpoints.emplace_back();
            endpoint.base = parse_url(mirror);
            if (!endpoint.base.target.ends_with('/')) endpoint.base.target += '/';
            endpoint.tls = material_for(endpoint.base.authority());
            endpoint.is_mirror = true;
        }
    Endpoint& origin = endpoints.emplace_back();
    origin.base = parse_url("https://" + std::string(registry == hub ? hub_host : registry));
    origin.tls = material_for(registry);
    origin.credentials = credentials;
    origin.may_be_plain = is_insecure(registry);
    return endpoints;
}

}  // namespace hull::registry_client
