#include "registry/options.hh"

#include "base/error.hh"
#include "base/text.hh"

#include <charconv>
#include <functional>

namespace hull::registry {

namespace {

struct Flag {
    const char* name;
    const char* value;  ///< placeholder in the help; nullptr for a switch
    const char* help;
    std::function<void(Options&, const std::string&)> set;
};

bool parse_bool(const std::string& text) {
    if (text == "true" || text == "1") return true;
    if (text == "false" || text == "0") return false;
    throw Error(ErrorKind::invalid_argument, "invalid boolean value \"{}\"", text);
}

std::uint64_t parse_number(const std::string& text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc() || end != text.data() + text.size())
        throw Error(ErrorKind::invalid_argument, "\"{}\" is not a number", text);
    return number;
}

log::Level parse_level(const std::string& text) {
    if (text == "debug") return log::Level::debug;
    if (text == "info") return log::Level::info;
    if (text == "warn" || text == "warning") return log::Level::warning;
    if (text == "error") return log::Level::error;
    throw Error(ErrorKind::invalid_argument, "invalid logging level: {}", text);
}

AuthOptions::Kind parse_auth(const std::string& text) {
    if (text == "basic") return AuthOptions::Kind::basic;
    if (text == "token") return AuthOptions::Kind::token;
    throw Error(ErrorKind::invalid_argument, "\"{}\" is neither basic nor token", text);
}

Quotas::Limit parse_quota(const std::string& text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos) return {"**", parse_bytes(text)};
    return {text.substr(0, equals), parse_bytes(text.substr(equals + 1))};
}

const std::vector<Flag>& flags() {
    static const std::vector<Flag> all{
        {"data", "DIR", "Where everything is kept (/var/lib/hull-registry)",
         [](Options& o, const std::string& v) { o.data = v; }},
        {"listen", "HOST:PORT", "Address to listen on, may repeat (127.0.0.1:5000)",
         [](Options& o, const std::string& v) { o.listen.push_back(v); }},
        {"user", "UID", "User to become when started as root (the owner of DIR, else 64994)",
         [](Options& o, const std::string& v) { o.user = static_cast<unsigned>(parse_number(v)); }},
        {"deletes", "BOOL", "Whether manifests, tags and blobs may be deleted (true)",
         [](Options& o, const std::string& v) { o.api.deletes = parse_bool(v); }},
        {"sparse-indexes", nullptr, "Accept an index whose manifests are not all here",
         [](Options& o, const std::string& v) { o.api.sparse_indexes = parse_bool(v); }},
        {"read-only", nullptr, "Refuse every push and delete",
         [](Options& o, const std::string& v) { o.api.read_only = parse_bool(v); }},
        {"tls-cert", "FILE", "Serve HTTPS with this PEM certificate and its chain",
         [](Options& o, const std::string& v) { o.tls_certificate = v; }},
        {"tls-key", "FILE", "Key of the certificate",
         [](Options& o, const std::string& v) { o.tls_key = v; }},
        {"client-ca", "FILE", "Serve only clients with a certificate of this authority",
         [](Options& o, const std::string& v) { o.client_authority = v; }},
        {"htpasswd", "FILE", "Users and their passwords (htpasswd -B)",
         [](Options& o, const std::string& v) { o.htpasswd = v; }},
        {"rights", "FILE", "Who may do what: lines of USER|@users|* PATTERN pull,push,delete|all",
         [](Options& o, const std::string& v) { o.rights = v; }},
        {"auth", "KIND", "basic or token (token when there are rights)",
         [](Options& o, const std::string& v) { o.auth.kind = parse_auth(v); }},
        {"token-keys", "FILE", "Accept tokens of an issuer with these keys (PEM or JWKS)",
         [](Options& o, const std::string& v) { o.token_keys = v; }},
        {"token-realm", "URL", "The token server that clients are sent to (our own)",
         [](Options& o, const std::string& v) { o.auth.realm = v; }},
        {"token-issuer", "NAME", "Issuer of the tokens (hull-registry)",
         [](Options& o, const std::string& v) { o.auth.issuer = v; }},
        {"token-service", "NAME", "This registry's name in tokens (hull-registry)",
         [](Options& o, const std::string& v) { o.auth.service = v; }},
        {"upstream", "URL", "Be a cache of the registry at URL, for pulls only",
         [](Options& o, const std::string& v) { o.upstream.url = v; }},
        {"upstream-user", "NAME", "User to log in there as",
         [](Options& o, const std::string& v) { o.upstream.user = v; }},
        {"upstream-password-file", "FILE", "Its password",
         [](Options& o, const std::string& v) { o.upstream_password_file = v; }},
        {"upstream-ca", "FILE", "Authority (PEM) to trust there beside the machine's",
         [](Options& o, const std::string& v) { o.upstream_authority = v; }},
        {"upstream-keep", "TIME", "Forget what nobody has pulled for so long (7d)",
         [](Options& o, const std::string& v) {
        o.upstream.keep_ns = parse_duration_s(v) * 1'000'000'000;
         }},
        {"store", "DIR", "Serve the images of the engine whose --data-root DIR is, for pulls only",
         [](Options& o, const std::string& v) { o.store = v; }},
        {"access-log", "FILE", "One JSON line per request; - is standard output",
         [](Options& o, const std::string& v) { o.access_log = v; }},
        {"metrics", nullptr, "Answer GET /metrics for Prometheus, to everybody",
         [](Options& o, const std::string& v) { o.api.metrics = parse_bool(v); }},
        {"quota", "[PATTERN=]BYTES", "Most bytes of a repository, may repeat: the first that fits",
         [](Options& o, const std::string& v) { o.quotas.push_back(parse_quota(v)); }},
        {"gc-every", "TIME", "Pause between garbage collections, 0: only at SIGUSR1 (24h)",
         [](Options& o, const std::string& v) { o.collect_every_s = parse_duration_s(v); }},
        {"gc-grace", "TIME", "How long a blob may wait for its manifest (1h)",
         [](Options& o, const std::string& v) {
        o.collector.grace_ns = parse_duration_s(v) * 1'000'000'000;
         }},
        {"gc-untagged", nullptr, "Collect manifests that no tag, index or subject leads to",
         [](Options& o, const std::string& v) { o.collector.untagged = parse_bool(v); }},
        {"max-manifest", "BYTES", "Size of the largest manifest (4m)",
         [](Options& o, const std::string& v) { o.api.manifest_bytes = parse_bytes(v); }},
        {"upload-age", "TIME", "Uploads that nobody went on with are removed after this (24h)",
         [](Options& o, const std::string& v) { o.upload_age_s = parse_duration_s(v); }},
        {"connections", "N", "Most connections at a time (4096)",
         [](Options& o, const std::string& v) { o.connections = parse_number(v); }},
        {"log-level", "LEVEL", "debug, info, warn or error (info)",
         [](Options& o, const std::string& v) { o.log_level = parse_level(v); }},
        {"help", nullptr, "Show this text",
         [](Options& o, const std::string& v) { o.show_help = parse_bool(v); }},
        {"version", nullptr, "Show the version",
         [](Options& o, const std::string& v) { o.show_version = parse_bool(v); }},
        };
    return all;
}

const Flag& get_flag(const std::string& argument) {
    for (const Flag& flag : flags())
        if (argument == std::string("--") + flag.name) return flag;
    throw Error(ErrorKind::invalid_argument, "unknown flag: {}", argument);
}

}  // namespace

std::int64_t parse_duration_s(const std::string& text) {
    constexpr std::pair<char, std::int64_t> units[] = {
        {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 24 * 3600}};
    for (const auto& [letter, seconds] : units)
        if (text.ends_with(letter)) {
            const std::uint64_t number = parse_number(text.substr(0, text.size() - 1));
            if (number > 100'000'000) break;
            return static_cast<std::int64_t>(number) * seconds;
        }
    const std::uint64_t number = parse_number(text);
    if (number > 1'000'000'000) throw Error(ErrorKind::invalid_argument, "{} is too long", text);
    return static_cast<std::int64_t>(number);
}

std::uint64_t parse_bytes(const std::string& text) {
    std::string number = lower(text);
    if (number.ends_with('b')) number.pop_back();
    if (number.empty()) throw Error(ErrorKind::invalid_argument, "\"{}\" is not a size", text);
    const std::size_t unit = std::string_view("kmgt").find(number.back());
    if (unit == std::string_view::npos) return parse_number(number);
    number.pop_back();
    const std::uint64_t count = parse_number(number);
    if (count > (UINT64_MAX >> (10 * (unit + 1))))
        throw Error(ErrorKind::invalid_argument, "{} is too large", text);
    return count << (10 * (unit + 1));
}

Options parse_options(std::span<const std::string> arguments) {
    Options options;
    for (std::size_t i = 0; i < arguments.size(); i++) {
        std::string name = arguments[i];
        std::optional<std::string> value;
        if (!name.starts_with("--"))
            throw Error(ErrorKind::invalid_argument, "unexpected argument: {}", name);
        if (const std::size_t equals = name.find('='); equals != std::string::npos) {
            value = name.substr(equals + 1);
            name.resize(equals);
        }
        const Flag& flag = get_flag(name);
        if (!value && flag.value) {
            if (++i == arguments.size())
                throw Error(ErrorKind::invalid_argument, "flag needs an argument: {}", name);
            value = arguments[i];
        }
        with_context([&] { flag.set(options, value.value_or("true")); }, "{}", name);
    }
    if (options.listen.empty()) options.listen.push_back("127.0.0.1:5000");
    if (options.tls_certificate.empty() != options.tls_key.empty())
        throw Error(ErrorKind::invalid_argument, "--tls-cert and --tls-key need each other");
    if (!options.client_authority.empty() && options.tls_key.empty())
        throw Error(ErrorKind::invalid_argument, "--client-ca needs --tls-cert and --tls-key");
    if (!options.upstream.url.empty()) {
        with_context([&] { (void)registry_client::parse_url(options.upstream.url); }, "--upstream");
        if (!options.store.empty())
            throw Error(ErrorKind::invalid_argument, "--upstream and --store exclude each other");
        options.api.read_only = true;
        options.api.read_only_reason =
            "this registry is a cache of " + options.upstream.url + ": push there";
    }
    if (options.upstream.url.empty() &&
        !(options.upstream.user + options.upstream_password_file + options.upstream_authority)
             .empty())
        throw Error(ErrorKind::invalid_argument, "--upstream-… flags need --upstream");
    if (!options.quotas.empty() && !(options.upstream.url + options.store).empty())
        throw Error(ErrorKind::invalid_argument,
                    "--quota bounds what is pushed: a cache or an engine's store takes nothing");
    if (!options.store.empty()) {
        options.api.read_only = true;
        options.api.read_only_reason =
            "this registry serves an engine's images: tag and load them there";
    }
    options.auth.is_tls = !options.tls_key.empty();
    return options;
}

std::string help_text() {
    std::string text =
        "\nUsage:  hull-registry [OPTIONS]\n\nServes images to everything that speaks the OCI "
        "distribution specification.\n\nOptions:\n";
    for (const Flag& flag : flags()) {
        const std::string name = flag.value ? fmt::format("--{} {}", flag.name, flag.value)
                                            : fmt::format("--{}", flag.name);
        text += fmt::format("  {:<28} {}\n", name, flag.help);
    }
    return text;
}

}  // namespace hull::registry
