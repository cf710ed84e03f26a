#include "api/server/api.hh"
#include "api/server/buildkit_gate.hh"
#include "base/error.hh"
#include "base/file.hh"
#include "base/hash.hh"
#include "base/json.hh"
#include "base/locked.hh"
#include "base/log.hh"
#include "base/process.hh"
#include "base/stop.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "build/builder.hh"
#include "db/database.hh"
#include "engine/engine.hh"
#include "http/server.hh"
#include "image/images.hh"
#include "linux/file_limit.hh"
#include "main/disk_budget.hh"
#include "main/tcp_listener.hh"
#include "network/networks.hh"
#include "oci/reference.hh"
#include "store/store.hh"

#include <fcntl.h>
#include <fmt/core.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace hull {

namespace {

struct Options {
    Path data_root = "/var/lib/hull", exec_root = "/run/hull";
    std::vector<std::string> hosts;
    std::optional<Path> pidfile;
    std::string log_level = "info";
    bool debug = false;
    std::string group = "docker";
    bool group_given = false;
    std::string cgroup_parent;  ///< "": "/hull", or system.slice with systemd_cgroups
    bool systemd_cgroups = false;
    std::string storage_driver;
    std::string log_driver = "local";
    std::map<std::string, std::string> log_options;
    std::optional<Path> config_file;
    TlsOptions tls;
    std::vector<std::string> sockets;
    Path audit_log;
    std::string cgroupns_mode;
    std::vector<api::Ulimit> ulimits;
    bool no_new_privileges = false;
    bool only_validate = false;
    bool live_restore = true;
    int shutdown_timeout_s = 15;
    std::uint64_t disk_budget = 0;  ///< bytes; 0: no limit
    std::string shm_size, ipc_mode = "private", seccomp_profile;
    std::uint64_t build_cache_bytes = 0;  ///< 0: no limit
    std::vector<std::string> dns, dns_search, dns_options, labels;
    bool init = false;
    network::Options network;
    bool userland_proxy = true;
    std::optional<std::string> bridge, firewall_table;
    image::RegistrySettings registries;
    bool own_certificate_directories = false;
    Path programs;  ///< directory of hull-shim, hull-init and hull-transfer; "" = beside hulld
};

std::uint64_t parse_size(const std::string& text);

unsigned parse_count(const std::string& name, const std::string& text) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || number == 0)
        throw Error(ErrorKind::invalid_argument, "invalid {}: {}", name, text);
    return number;
}

int parse_timeout(const std::string& text) {
    int seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc() || end != text.data() + text.size() || seconds < -1)
        throw Error(ErrorKind::invalid_argument, "invalid shutdown timeout: {}", text);
    return seconds;
}

/// `URL` is a mirror of docker.io, `REGISTRY=URL` of any other one.
void add_mirror(image::RegistrySettings& registries, const std::string& text) {
    const std::size_t scheme = text.find("://");
    const std::size_t equals = text.find('=');
    const bool names_registry = equals != std::string::npos && equals < scheme;
    const std::string url = names_registry ? text.substr(equals + 1) : text;
    if (scheme == std::string::npos || !(url.starts_with("http://") || url.starts_with("https://")))
        throw Error(ErrorKind::invalid_argument, "invalid mirror: {:?} is no http or https address",
                    url);
    if (url.find('@') != std::string::npos || url.find_first_of("?#") != std::string::npos)
        throw Error(ErrorKind::invalid_argument,
                    "invalid mirror: user, query and fragment are not allowed in an address");
    registries.mirrors[names_registry ? text.substr(0, equals) : "docker.io"].push_back(url);
}

/// What the environment says, unless flags do. Go reads both spellings.
std::string proxy_of_environment(const std::string& given, const char* upper, const char* lower) {
    if (!given.empty()) return given;
    for (const char* name : {upper, lower})
        if (const char* value = std::getenv(name); value && *value) return value;
    return "";
}

/// "native.cgroupdriver=systemd": whether systemd makes the cgroups.
bool parse_exec_option(const std::string& text) {
    if (text == "native.cgroupdriver=systemd") return true;
    if (text == "native.cgroupdriver=cgroupfs") return false;
    throw Error(ErrorKind::invalid_argument,
                "exec-opt {:?}: use native.cgroupdriver=cgroupfs or native.cgroupdriver=systemd",
                text);
}

constexpr const char* default_host = "unix:///run/hull.sock";

/// A flag of the command line, which is also a member of the configuration file when it has a
/// `member` name.
struct Flag {
    const char* name;
    char letter;
    const char* member;
    const char* value;  ///< placeholder in the help; nullptr for a switch
    const char* help;
    std::function<void(Options&, const std::string&)> set;
    bool is_list = false;
};

std::string format_bool(bool value) { return value ? "true" : "false"; }

/// "NAME=SOFT[:HARD]".
api::Ulimit parse_ulimit(const std::string& text) {
    const std::size_t equals = text.find('=');
    api::Ulimit limit;
    const auto refuse = [&] {
        throw Error(ErrorKind::invalid_argument, "invalid ulimit {}: use NAME=SOFT[:HARD]", text);
    };
    if (equals == std::string::npos || equals == 0) refuse();
    limit.name = text.substr(0, equals);
    const char* const end = text.data() + text.size();
    const auto soft = std::from_chars(text.data() + equals + 1, end, limit.soft);
    if (soft.ec != std::errc()) refuse();
    limit.hard = limit.soft;
    if (soft.ptr == end) return limit;
    if (*soft.ptr != ':') refuse();
    const auto hard = std::from_chars(soft.ptr + 1, end, limit.hard);
    if (hard.ec != std::errc() || hard.ptr != end || limit.soft > limit.hard) refuse();
    return limit;
}

bool parse_bool(const std::string& text) {
    if (text == "true" || text == "1" || text == "t") return true;
    if (text == "false" || text == "0" || text == "f") return false;
    throw Error(ErrorKind::invalid_argument, "invalid boolean value \"{}\"", text);
}

std::uint32_t parse_mtu(const std::string& text) {
    std::uint32_t mtu = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mtu);
    if (error != std::errc() || end != text.data() + text.size() || (mtu != 0 && mtu < 68) ||
        mtu > 65535)
        throw Error(ErrorKind::invalid_argument, "invalid MTU \"{}\"", text);
    return mtu;
}

void require_firewall(std::string_view flag, const std::string& value) {
    if (!parse_bool(value))
        throw Error(ErrorKind::unsupported,
                    "{}=false is not supported: our rules are in a table of their own and touch no "
                    "others; use --bridge none, or --network host",
                    flag);
}

const std::vector<Flag>& flags() {
    static const std::vector<Flag> all{
        {"bip", 0, "bip", "string",
         "Address of the default bridge (172.17.0.1/16, or what is free)",
         [](Options& o, const std::string& v) { o.network.bridge_address = v; }},
        {"bridge", 'b', "bridge", "string", "Name of the default bridge, or none (hull0)",
         [](Options& o, const std::string& v) { o.bridge = v; }},
        {"audit-log", 0, "audit-log", "string", "File that every change is noted in, as JSON lines",
         [](Options& o, const std::string& v) { o.audit_log = v; }},
        {"cgroup-parent", 0, "cgroup-parent", "string",
         "Parent cgroup of all containers (/hull; with systemd system.slice)",
         [](Options& o, const std::string& v) { o.cgroup_parent = v; }},
        {"config-file", 0, nullptr, "string", "Configuration file, JSON with these names",
         [](Options& o, const std::string& v) { o.config_file = v; }},
        {"data-root", 0, "data-root", "string", "Where everything is kept (/var/lib/hull)",
         [](Options& o, const std::string& v) { o.data_root = v; }},
        {"debug", 'D', "debug", nullptr, "Log more",
         [](Options& o, const std::string& v) { o.debug = parse_bool(v); }},
        {"default-address-pool", 0, "default-address-pools", "list",
         "Where subnets of networks come from (base=10.10.0.0/16,size=24)",
         [](Options& o,
            const std::string& v) { o.network.sources.push_back(network::parse_subnet_source(v)); },
         true},
        {"default-cgroupns-mode", 0, "default-cgroupns-mode", "string",
         "host or private (private where cgroups are v2)",
         [](Options& o, const std::string& v) {
        if (v != "host" && v != "private")
            throw Error(ErrorKind::invalid_argument,
                        "default-cgroupns-mode {}: use host or private", v);
        o.cgroupns_mode = v;
         }},
        {"default-ipc-mode", 0, "default-ipc-mode", "string", "private or shareable (private)",
         [](Options& o, const std::string& v) { o.ipc_mode = v; }},
        {"build-cache-size", 0, "build-cache-size", "bytes",
         "Most that the build cache may take (10g); the least recently used goes",
         [](Options& o, const std::string& v) { o.build_cache_bytes = parse_size(v); }},
        {"default-shm-size", 0, "default-shm-size", "bytes", "Size of /dev/shm (64m)",
         [](Options& o, const std::string& v) { o.shm_size = v; }},
        {"default-ulimit", 0, "default-ulimits", "list", "Limits of containers: nofile=1024:2048",
         [](Options& o, const std::string& v) { o.ulimits.push_back(parse_ulimit(v)); }, true},
        {"disk-budget", 0, "disk-budget", "bytes",
         "Limit of images, build cache and logs together: what was used longest ago goes (none)",
         [](Options& o, const std::string& v) { o.disk_budget = parse_size(v); }},
        {"dns", 0, "dns", "list", "Name servers for containers",
         [](Options& o, const std::string& v) { o.dns.push_back(v); }, true},
        {"dns-opt", 0, "dns-opts", "list", "Resolver options for containers",
         [](Options& o, const std::string& v) { o.dns_options.push_back(v); }, true},
        {"dns-search", 0, "dns-search", "list", "Search domains for containers",
         [](Options& o, const std::string& v) { o.dns_search.push_back(v); }, true},
        {"exec-opt", 0, "exec-opts", "list",
         "native.cgroupdriver=cgroupfs|systemd: who makes cgroups (cgroupfs)",
         [](Options& o, const std::string& v) { o.systemd_cgroups = parse_exec_option(v); }, true},
        {"exec-root", 0, "exec-root", "string", "Where run-time state is kept (/run/hull)",
         [](Options& o, const std::string& v) { o.exec_root = v; }},
        {"firewall-table", 0, "firewall-table", "string", "Name of our nftables table (hull)",
         [](Options& o, const std::string& v) { o.firewall_table = v; }},
        {"fixed-cidr", 0, "fixed-cidr", "string", "IPv4 range of containers on the default bridge",
         [](Options& o, const std::string& v) { o.network.range = v; }},
        {"fixed-cidr-v6", 0, "fixed-cidr-v6", "string",
         "IPv6 subnet of containers on the default bridge",
         [](Options& o, const std::string& v) { o.network.range_v6 = v; }},
        {"group", 'G', "group", "string", "Group of the unix sockets (docker)",
         [](Options& o, const std::string& v) { o.group = v, o.group_given = true; }},
        {"host", 'H', "hosts", "list", "Sockets to listen on (unix:///run/hull.sock)",
         [](Options& o, const std::string& v) { o.hosts.push_back(v); }, true},
        {"host-gateway-ip", 0, "host-gateway-ip", "string",
         "What host-gateway of --add-host means (the gateway of the container's network)",
         [](Options& o, const std::string& v) { o.network.host_gateway = v; }},
        {"http-proxy", 0, "http-proxy", "string", "Proxy for http registries (HTTP_PROXY)",
         [](Options& o, const std::string& v) { o.registries.http_proxy = v; }},
        {"https-proxy", 0, "https-proxy", "string", "Proxy for https registries (HTTPS_PROXY)",
         [](Options& o, const std::string& v) { o.registries.https_proxy = v; }},
        {"icc", 0, "icc", nullptr, "Containers on the default bridge reach each other (true)",
         [](Options& o, const std::string& v) { o.network.containers_talk = parse_bool(v); }},
        {"init", 0, "init", nullptr, "Run an init in every container",
         [](Options& o, const std::string& v) { o.init = parse_bool(v); }},
        {"insecure-registry", 0, "insecure-registries", "list",
         "Registries (host, host:port, CIDR) without TLS or with any certificate",
         [](Options& o, const std::string& v) { o.registries.insecure.push_back(v); }, true},
        {"ip", 0, "ip", "string", "Address that ports are published on (0.0.0.0)",
         [](Options& o, const std::string& v) { o.network.publish_address = v; }},
        {"ip-forward", 0, "ip-forward", nullptr, "Let this host pass packets on (true)",
         [](Options& o, const std::string& v) { o.network.forwarding = parse_bool(v); }},
        {"ip-masq", 0, "ip-masq", nullptr, "The world sees containers with our address (true)",
         [](Options& o, const std::string& v) { o.network.masquerade = parse_bool(v); }},
        {"ip6tables", 0, "ip6tables", nullptr, "Always true: see iptables",
         [](Options&, const std::string& v) { require_firewall("ip6tables", v); }},
        {"iptables", 0, "iptables", nullptr,
         "Always true: networks are kept apart by an nftables table of our own",
         [](Options&, const std::string& v) { require_firewall("iptables", v); }},
        {"ipv6", 0, "ipv6", nullptr, "IPv6 on the default bridge",
         [](Options& o, const std::string& v) { o.network.ipv6 = parse_bool(v); }},
        {"label", 0, "labels", "list", "Labels of the daemon",
         [](Options& o, const std::string& v) { o.labels.push_back(v); }, true},
        {"live-restore", 0, "live-restore", nullptr, "Containers outlive the daemon (true)",
         [](Options& o, const std::string& v) { o.live_restore = parse_bool(v); }},
        {"log-driver", 0, "log-driver", "string", "local, json-file or none (local)",
         [](Options& o, const std::string& v) { o.log_driver = v; }},
        {"log-level", 'l', "log-level", "string", "debug, info, warn, error or fatal (info)",
         [](Options& o, const std::string& v) { o.log_level = v; }},
        {"log-opt", 0, "log-opts", "map", "Options of the log driver",
         [](Options& o, const std::string& v) {
        const std::size_t equals = v.find('=');
        if (equals == std::string::npos)
            throw Error(ErrorKind::invalid_argument, "invalid key=value \"{}\"", v);
        o.log_options[v.substr(0, equals)] = v.substr(equals + 1);
         },
         true},
        {"max-concurrent-downloads", 0, "max-concurrent-downloads", "int",
         "Layers a pull fetches at a time (3)",
         [](Options& o, const std::string& v) {
        o.registries.downloads = parse_count("max concurrent downloads", v);
         }},
        {"max-concurrent-uploads", 0, "max-concurrent-uploads", "int",
         "Layers a push sends at a time (5)",
         [](Options& o, const std::string& v) {
        o.registries.uploads = parse_count("max concurrent uploads", v);
         }},
        {"max-download-attempts", 0, "max-download-attempts", "int",
         "How often a failing request to a registry is tried (5)",
         [](Options& o, const std::string& v) {
        o.registries.attempts = parse_count("max download attempts", v);
         }},
        {"max-layer-size", 0, "max-layer-size", "bytes",
         "Largest layer to unpack from a registry (64g)",
         [](Options& o, const std::string& v) { o.registries.max_layer_bytes = parse_size(v); }},
        {"mtu", 0, "mtu", "int", "MTU of networks (the uplink's)",
         [](Options& o, const std::string& v) { o.network.mtu = parse_mtu(v); }},
        {"no-proxy", 0, "no-proxy", "string", "Hosts that need no proxy (NO_PROXY)",
         [](Options& o, const std::string& v) { o.registries.no_proxy = v; }},
        {"no-new-privileges", 0, "no-new-privileges", nullptr,
         "Containers gain no privileges unless they ask for it",
         [](Options& o, const std::string& v) { o.no_new_privileges = parse_bool(v); }},
        {"pidfile", 'p', "pidfile", "string", "File for the daemon's pid (EXEC-ROOT/hull.pid)",
         [](Options& o, const std::string& v) { o.pidfile = v; }},
        {"programs", 0, "programs", "string", "Directory of hull-shim and friends (beside hulld)",
         [](Options& o, const std::string& v) { o.programs = v; }},
        {"publish-through-input", 0, "publish-through-input", nullptr,
         "What comes from outside to published ports passes this host's input rules first",
         [](Options& o, const std::string& v) { o.network.publish_through_input = parse_bool(v); }},
        {"registry-certs", 0, "registry-certs", "list",
         "Directories of HOST[:PORT]/{ca.crt,client.cert,client.key} (/etc/docker/certs.d)",
         [](Options& o, const std::string& v) {
        if (!o.own_certificate_directories) o.registries.certificate_directories.clear();
        o.own_certificate_directories = true;
        o.registries.certificate_directories.push_back(v);
         },
         true},
        {"registry-mirror", 0, "registry-mirrors", "list",
         "URL of a mirror of docker.io, or REGISTRY=URL",
         [](Options& o, const std::string& v) { add_mirror(o.registries, v); }, true},
        {"registry-timeout", 0, "registry-timeout", "seconds",
         "Longest silence of a registry that owes an answer (30)",
         [](Options& o, const std::string& v) {
        o.registries.silence_ms = static_cast<int>(parse_count("registry timeout", v) * 1000);
         }},
        {"seccomp-profile", 0, "seccomp-profile", "string", "Replaces the default seccomp profile",
         [](Options& o, const std::string& v) { o.seccomp_profile = v; }},
        {"shutdown-timeout", 0, "shutdown-timeout", "seconds",
         "Before containers are killed when they do not outlive the daemon, -1 for ever (15)",
         [](Options& o, const std::string& v) { o.shutdown_timeout_s = parse_timeout(v); }},
        {"socket", 0, "sockets", "list",
         "One more socket, of limited rights: path=…,rights=read|logs|lifecycle|own[,uid=…]",
         [](Options& o, const std::string& v) { o.sockets.push_back(v); }, true},
        {"tls", 0, "tls", nullptr, "Speak TLS on tcp:// sockets",
         [](Options& o, const std::string& v) { o.tls.enabled = parse_bool(v); }},
        {"tlscacert", 0, "tlscacert", "string", "Trust clients of this CA only (/etc/hull/ca.pem)",
         [](Options& o, const std::string& v) { o.tls.ca = v; }},
        {"tlscert", 0, "tlscert", "string", "TLS certificate (/etc/hull/cert.pem)",
         [](Options& o, const std::string& v) { o.tls.certificate = v; }},
        {"tlskey", 0, "tlskey", "string", "TLS key (/etc/hull/key.pem)",
         [](Options& o, const std::string& v) { o.tls.key = v; }},
        {"tlsverify", 0, "tlsverify", nullptr, "Speak TLS with clients that have a certificate",
         [](Options& o, const std::string& v) { o.tls.verify = parse_bool(v); }},
        {"storage-driver", 's', "storage-driver", "string", "erofs or directory (what works)",
         [](Options& o, const std::string& v) { o.storage_driver = v; }},
        {"userland-proxy", 0, "userland-proxy", nullptr,
         "Published ports answer at ::1 and at addresses of both families (true)",
         [](Options& o, const std::string& v) { o.userland_proxy = parse_bool(v); }},
        {"validate", 0, nullptr, nullptr, "Only say whether the configuration is right",
         [](Options& o, const std::string& v) { o.only_validate = parse_bool(v); }},
        };
    return all;
}

std::string help() {
    std::string text =
        "\nUsage:  hulld [OPTIONS]\n\nRuns containers for everything that speaks Docker's "
        "API.\n\nOptions:\n";
    for (const Flag& flag : flags()) {
        const std::string letter = flag.letter ? fmt::format("-{},", flag.letter) : "   ";
        const std::string name = flag.value ? fmt::format("--{} {}", flag.name, flag.value)
                                            : fmt::format("--{}", flag.name);
        text += fmt::format("  {} {:<28} {}\n", letter, name, flag.help);
    }
    text += "      --help                       Show this text\n";
    text += "  -v, --version                    Show the version\n";
    return text;
}

/// Thrown for a wrong command line.
struct UsageError {
    std::string message;
};

void parse_arguments(const std::vector<std::string>& arguments, Options& options,
                     std::vector<const Flag*>& given) {
    for (std::size_t i = 0; i < arguments.size(); i++) {
        std::string argument = arguments[i];
        std::optional<std::string> value;
        const Flag* flag = nullptr;
        if (argument.starts_with("--")) {
            if (const std::size_t equals = argument.find('='); equals != std::string::npos) {
                value = argument.substr(equals + 1);
                argument.resize(equals);
            }
            for (const Flag& known : flags())
                if (argument.substr(2) == known.name) flag = &known;
        } else if (argument.size() >= 2 && argument[0] == '-') {
            for (const Flag& known : flags())
                if (known.letter == argument[1]) flag = &known;
            if (argument.size() > 2) value = argument.substr(argument[2] == '=' ? 3 : 2);
        } else {
            throw UsageError{"\"hulld\" accepts no arguments: " + argument};
        }
        if (!flag) throw UsageError{"unknown flag: " + argument};
        if (!flag->value) {
            flag->set(options, value.value_or("true"));
        } else {
            if (!value) {
                if (i + 1 >= arguments.size())
                    throw UsageError{"flag needs an argument: " + argument};
                value = arguments[++i];
            }
            flag->set(options, *value);
        }
        given.push_back(flag);
    }
}

std::string scalar_text(const json::Value& value) {
    if (value.is_bool()) return format_bool(value.as_bool());
    if (value.is_number()) return std::to_string(value.as_int());
    return value.as_string();
}

/// Docker's {"gc": {"enabled": true, "defaultKeepStorage": "10GB"}}.
void read_builder(const json::Value& builder, Options& options) {
    const json::Value& collection = builder["gc"];
    if (collection["enabled"].is_bool() && !collection["enabled"].as_bool()) return;
    for (const char* name : {"defaultKeepStorage", "defaultReservedSpace"})
        if (collection[name].is_string())
            options.build_cache_bytes = parse_size(collection[name].as_string());
}

/// Members are the long flag names; what the command line says must not be said here again.
void read_config_file(const Path& path, Options& options, const std::vector<const Flag*>& given) {
    const json::Value config = json::parse(read_file(path, 4UL << 20));
    for (const auto& [name, value] : config.as_object()) {
        if (name == "builder") {
            read_builder(value, options);
            continue;
        }
        const Flag* flag = nullptr;
        for (const Flag& known : flags())
            if (known.member && name == known.member) flag = &known;
        if (!flag)
            throw Error(ErrorKind::invalid_argument,
                        "the following directives don't match any configuration option: {}", name);
        for (const Flag* other : given)
            if (other == flag && !flag->is_list)
                throw Error(ErrorKind::invalid_argument,
                            "the following directives are specified both as a flag and in the "
                            "configuration file: {}",
                            name);
        with_context(
            [&] {
            if (value.is_array()) {
                for (const std::string& item : value.as_strings()) flag->set(options, item);
            } else if (value.is_object()) {
                for (const auto& [key, item] : value.as_object())
                    flag->set(options, key + "=" + scalar_text(item));
            } else {
                flag->set(options, scalar_text(value));
            }
            },
            "{}", name);
    }
}

log::Level parse_level(const std::string& text) {
    if (text == "debug" || text == "trace") return log::Level::debug;
    if (text == "info") return log::Level::info;
    if (text == "warn" || text == "warning") return log::Level::warning;
    if (text == "error" || text == "fatal" || text == "panic") return log::Level::error;
    throw Error(ErrorKind::invalid_argument, "invalid logging level: {}", text);
}

std::uint64_t parse_size(const std::string& text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    std::string unit(end, text.data() + text.size());
    for (char& c : unit) c = static_cast<char>(c | 0x20);
    if (unit.ends_with('b')) unit.pop_back();
    const std::size_t shift = std::string_view("kmgt").find(unit);
    if (error != std::errc() || unit.size() > 1 || shift == std::string_view::npos)
        throw Error(ErrorKind::invalid_argument, "invalid size: '{}'", text);
    return number << (unit.empty() ? 0 : 10 * (shift + 1));
}

store::Store::Snapshots parse_storage_driver(const std::string& text) {
    if (text.empty()) return store::Store::Snapshots::automatic;
    if (text == "erofs") return store::Store::Snapshots::erofs;
    if (text == "directory") return store::Store::Snapshots::directory;
    throw Error(ErrorKind::invalid_argument,
                "storage driver {} is not supported: use erofs or directory", text);
}

/// The group's number from /etc/group, or the number itself.
std::optional<gid_t> find_group(const std::string& name) {
    gid_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc() && end == name.data() + name.size()) return number;
    const std::string groups = find_file("/etc/group").value_or("");
    std::size_t at = 0;
    while (at < groups.size()) {
        const std::size_t line_end = std::min(groups.find('\n', at), groups.size());
        const std::string_view line = std::string_view(groups).substr(at, line_end - at);
        at = line_end + 1;
        const std::size_t colon = line.find(':');
        if (line.substr(0, colon) != name) continue;
        const std::size_t second = line.find(':', colon + 1);
        if (second == std::string_view::npos) continue;
        std::from_chars(line.data() + second + 1, line.data() + line.size(), number);
        return number;
    }
    return std::nullopt;
}

/// The daemon that holds a lock, as it wrote itself into `path`; empty when it has not yet.
std::string lock_owner(const Path& path) { return std::string(trim(find_file(path).value_or(""))); }

/// A zombie is not: nobody has reaped it yet.
bool is_alive(const std::string& pid) {
    const auto state = find_process_state(std::atoi(pid.c_str()));
    return state && *state != 'Z';
}

/// Holds the data directory for one daemon: a lock that ends with the process, and our pid in it.
/// The lock of a daemon that was killed lives on for a moment in a child that it had not finished
/// spawning: an owner that is gone is waited for.
Fd lock_data_root(const Path& data_root) {
    constexpr int longest_wait_ms = 5000, pause_ms = 5;
    const Path path = join(data_root, "hulld.lock");
    Fd lock = sys::open(path, O_RDWR | O_CREAT, 0600);
    for (int waited_ms = 0; ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0; waited_ms += pause_ms) {
        const std::string pid = lock_owner(path);
        if (is_alive(pid) || waited_ms >= longest_wait_ms)
            throw Error(ErrorKind::conflict, "{} is in use by the daemon with pid {}", data_root,
                        pid.empty() ? "unknown" : pid);
        ::poll(nullptr, 0, pause_ms);
    }
    sys::ftruncate(lock.get(), 0);
    sys::pwrite_all(lock.get(), fmt::format("{}\n", ::getpid()), 0);
    return lock;
}

/// hull-shim and the others lie beside us unless told otherwise.
Path programs_directory(const Options& options) {
    if (!options.programs.empty()) return options.programs;
    std::vector<char> buffer(4096);
    const ssize_t size = ::readlink("/proc/self/exe", buffer.data(), buffer.size());
    if (size <= 0) throw_errno(errno, "finding our own executable");
    const Path self(buffer.data(), static_cast<std::size_t>(size));
    return self.substr(0, self.rfind('/'));
}

/// What the signal handler requests.
StopEvent* stop_on_signal = nullptr;

/// The third one is meant: whatever we wait for goes on with the next daemon.
void stop_handler(int signal_number) {
    static std::atomic<int> received = 0;
    if (++received < 3) return stop_on_signal->request();
    constexpr std::string_view text = "ended by a third signal, without waiting for anything\n";
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    ::_exit(128 + signal_number);
}

void handle_signals(StopEvent& stop) {
    stop_on_signal = &stop;
    struct sigaction action {};
    action.sa_handler = stop_handler;
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGTERM, &action, nullptr);
    ::sigaction(SIGINT, &action, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    // Before there is any other thread: all of them leave these to the one that waits for them.
    sigset_t waited_for;
    sigemptyset(&waited_for);
    sigaddset(&waited_for, SIGHUP);
    sigaddset(&waited_for, SIGUSR2);
    ::pthread_sigmask(SIG_BLOCK, &waited_for, nullptr);
}

/// Calls `reload` for each SIGHUP, in a thread of its own, until it goes.
class ReloadThread {
public:
    explicit ReloadThread(std::function<void()> reload) : reload_(std::move(reload)) {
        thread_ = std::thread([this] {
            sigset_t wanted;
            sigemptyset(&wanted);
            sigaddset(&wanted, SIGHUP);
            sigaddset(&wanted, SIGUSR2);
            for (;;) {
                const int number = ::sigwaitinfo(&wanted, nullptr);
                if (stopping_) return;
                if (number == SIGHUP) reload_();
            }
        });
    }
    ~ReloadThread() {
        stopping_ = true;
        ::pthread_kill(thread_.native_handle(), SIGUSR2);
        thread_.join();
    }
    ReloadThread(const ReloadThread&) = delete;
    ReloadThread& operator=(const ReloadThread&) = delete;

private:
    const std::function<void()> reload_;
    std::atomic<bool> stopping_ = false;
    std::thread thread_;
};

std::string unix_path(const std::string& host) {
    static constexpr std::string_view scheme = "unix://";
    if (host.starts_with('/')) return host;
    if (!host.starts_with(scheme))
        throw Error(ErrorKind::unsupported,
                    "listening on {} is not supported: use unix:///path or tcp://address:port",
                    host);
    std::string path = host.substr(scheme.size());
    return path.empty() ? "/run/hull.sock" : path;
}

void make_parent(const Path& path) {
    if (const std::size_t slash = path.rfind('/'); slash != std::string::npos && slash > 0)
        sys::mkdir_all(path.substr(0, slash), 0755);
}

bool is_activated(const std::string& host) { return host == "fd://" || host == "fd://*"; }

/// Sockets that the service manager has opened (sd_listen_fds(3)): they stay when we go, and who
/// connects meanwhile waits. Their mode is the manager's business.
void listen_activated(http::Server& server) {
    constexpr int first = 3;
    const char* const pid = std::getenv("LISTEN_PID");
    const char* const count = std::getenv("LISTEN_FDS");
    const bool is_ours = pid && count && std::atoi(pid) == ::getpid();
    const int sockets = is_ours ? std::atoi(count) : 0;
    for (int fd = first; fd < first + sockets; ++fd) {
        int listens = 0;
        socklen_t size = sizeof listens;
        if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0)
            throw Error(ErrorKind::invalid_argument,
                        "-H fd://: descriptor {} is no listening socket", fd);
        ::fcntl(fd, F_SETFD, FD_CLOEXEC);
        server.listen(Fd(fd));
        log::info("API listens on descriptor {}", fd);
    }
    if (sockets == 0)
        throw Error(ErrorKind::invalid_argument,
                    "-H fd://: no socket was passed: start hulld by its socket unit, or with -H "
                    "unix://PATH");
    ::unsetenv("LISTEN_PID");
    ::unsetenv("LISTEN_FDS");
}

void listen(http::Server& server, const Options& options, TlsGate* gate,
            const std::vector<server::Door>& doors) {
    std::optional<gid_t> group = find_group(options.group);
    if (!group && options.group_given)
        throw Error(ErrorKind::invalid_argument, "group {} not found", options.group);
    for (const std::string& host : options.hosts) {
        if (is_activated(host)) {
            listen_activated(server);
            continue;
        }
        if (is_tcp(host)) {
            listen_tcp(server, host, gate);
            log::info("API listens on {}", host);
            continue;
        }
        const Path path = unix_path(host);
        make_parent(path);
        server.listen_unix(path, 0660, group);
        log::info("API listens on {}", path);
    }
    for (std::size_t i = 0; i < doors.size(); ++i) {
        make_parent(doors[i].path);
        // Whoever may open it is judged by credentials when there are uids, else by the group.
        const mode_t mode = doors[i].uids.empty() ? 0660 : 0666;
        server.listen_unix(doors[i].path, mode, group, static_cast<int>(i) + 1);
        log::info("API listens on {} for {}", doors[i].path, to_string(doors[i].rights));
    }
}

/// Bridge and firewall table are the machine's: a daemon on other directories has others.
network::Options network_options(const Options& options) {
    network::Options network = options.network;
    std::string suffix;
    if (options.data_root != "/var/lib/hull") suffix = sha256_hex(options.data_root).substr(0, 6);
    network.bridge = options.bridge.value_or("hull" + (suffix.empty() ? "0" : "-" + suffix));
    network.table = options.firewall_table.value_or(suffix.empty() ? "hull" : "hull-" + suffix);
    network.names.program = join(programs_directory(options), "hull-names");
    network.names.directory = options.exec_root;
    network.name_servers = options.dns;
    if (options.userland_proxy)
        network.relay.program = join(programs_directory(options), "hull-relay");
    else if (network.publish_through_input)
        throw Error(ErrorKind::invalid_argument,
                    "--publish-through-input needs --userland-proxy=true");
    network.relay.directory = options.exec_root;
    return network;
}

image::RegistrySettings registry_settings(const Options& options) {
    image::RegistrySettings settings = options.registries;
    settings.http_proxy = proxy_of_environment(settings.http_proxy, "HTTP_PROXY", "http_proxy");
    settings.https_proxy = proxy_of_environment(settings.https_proxy, "HTTPS_PROXY", "https_proxy");
    settings.no_proxy = proxy_of_environment(settings.no_proxy, "NO_PROXY", "no_proxy");
    return settings;
}

/// What may change while the daemon runs, beside what others keep. The rest of the options is as
/// it was at the start.
struct Reloadable {
    bool live_restore = true;
    int shutdown_timeout_s = 0;
};

/// The event says what holds now, as Docker's does.
void apply_reload(const Options& options, engine::Engine& engine, image::Images& images,
                  Locked<Reloadable>& reloadable) {
    log::set_level(options.debug ? log::Level::debug : parse_level(options.log_level));
    images.set_registries(registry_settings(options));
    {
        const auto locked = reloadable.lock();
        *locked = {options.live_restore, options.shutdown_timeout_s};
    }
    const auto list = [](const std::vector<std::string>& items) {
        return json::dump(json::Value(items));
    };
    engine.reload({options.debug, options.labels},
                  {{"debug", format_bool(options.debug)},
                   {"labels", list(options.labels)},
                   {"insecure-registries", list(options.registries.insecure)},
                   {"live-restore", format_bool(options.live_restore)},
                   {"max-concurrent-downloads", std::to_string(options.registries.downloads)},
                   {"max-concurrent-uploads", std::to_string(options.registries.uploads)},
                   {"max-download-attempts", std::to_string(options.registries.attempts)},
                   {"shutdown-timeout", std::to_string(options.shutdown_timeout_s)}});
    log::info("configuration reloaded");
}

/// Clients may not take the descriptors that containers need.
http::Limits server_limits() {
    http::Limits limits;
    const std::size_t files = linux_::file_limit();
    const std::size_t own = std::max<std::size_t>(256, files / 8);
    if (files > own) limits.connections = files - own;
    return limits;
}

/// Programs that nothing works without, so that it is said at once and not by the first container.
void check_programs(const Path& directory) {
    for (const char* name : {"hull-shim", "hull-transfer", "hull-files"})
        if (::access(join(directory, name).c_str(), X_OK) != 0)
            throw Error(ErrorKind::not_found,
                        "{} is not in {}: hulld needs the programs it was built with beside it, or "
                        "their directory in --programs",
                        name, directory);
}

/// What makes up a daemon, in the order it comes to life. The mount namespace is the host's own:
/// a private one would keep bind mounts with shared propagation from reaching the host.
void run(const Options& options, const std::function<Options()>& read_again) {
    for (const std::string& host : options.hosts)
        if (!is_tcp(host) && !is_activated(host)) (void)unix_path(host);
    std::vector<server::Door> doors;
    for (const std::string& text : options.sockets) doors.push_back(server::parse_door(text));
    StopEvent stop;
    handle_signals(stop);
    linux_::raise_file_limit();
    ::umask(022);
    ::mallopt(M_ARENA_MAX, 2);  // a thread per connection must not mean an arena each
    ::mallopt(M_TRIM_THRESHOLD, 256 << 10);

    const Path programs = programs_directory(options);
    check_programs(programs);
    sys::mkdir_all(options.data_root, 0711);
    sys::mkdir_all(options.exec_root, 0711);
    const Fd lock = lock_data_root(options.data_root);
    const Path pidfile = options.pidfile.value_or(join(options.exec_root, "hull.pid"));
    write_file(pidfile, fmt::format("{}\n", ::getpid()));

    constexpr std::uint64_t reserve_bytes = 2 << 20;  // what the log grows to between checkpoints
    db::Database database(join(options.data_root, "hull.db"));
    database.keep_reserve(reserve_bytes);
    store::Store store(options.data_root, database, parse_storage_driver(options.storage_driver));
    image::ImagesOptions image_options;
    image_options.transfer_program = join(programs, "hull-transfer");
    image_options.registries = registry_settings(options);
    image::Images images(store, database, image_options);
    engine::Options engine_options;
    engine_options.data_root = options.data_root;
    engine_options.exec_root = options.exec_root;
    engine_options.systemd_cgroups = options.systemd_cgroups;
    engine_options.cgroup_parent = !options.cgroup_parent.empty() ? options.cgroup_parent
                                   : options.systemd_cgroups      ? "system.slice"
                                                                  : "/hull";
    engine_options.programs = programs;
    engine_options.default_log_driver = options.log_driver;
    engine_options.default_log_options = options.log_options;
    engine_options.default_ipc_mode = options.ipc_mode;
    engine_options.default_cgroupns_mode = options.cgroupns_mode;
    engine_options.default_ulimits = options.ulimits;
    engine_options.no_new_privileges = options.no_new_privileges;
    engine_options.debug = options.debug;
    if (!options.shm_size.empty()) engine_options.default_shm_bytes = parse_size(options.shm_size);
    engine_options.seccomp_profile = options.seccomp_profile;
    engine_options.dns = options.dns;
    engine_options.dns_search = options.dns_search;
    engine_options.dns_options = options.dns_options;
    engine_options.labels = options.labels;
    engine_options.live = options.live_restore;
    engine_options.init = options.init;
    network::Networks networks(network_options(options), database);
    engine::Engine engine(engine_options, images, store, networks, database);

    build::Builder builder(
        {options.data_root, options.exec_root, programs, image_options, options.build_cache_bytes},
        engine, images, store, database);
    // The build's own line says which image it waits for.
    builder.set_fetch_image(
        [&images](const std::string& reference, const std::string& platform,
                  const json::Value& registries, const build::Sink&, StopEvent& build_stop) {
        const oci::Reference name = oci::Reference::parse(reference).with_default_tag();
        image::RegistryAccess access;
        access.credentials = image::find_credentials(registries, name.name());
        images.pull(
            {name.canonical(), platform, std::move(access)}, [](const image::TransferProgress&) {},
            &build_stop);
    });

    std::optional<DiskBudget> budget;
    if (options.disk_budget != 0)
        budget.emplace(options.disk_budget, options.data_root,
                       DiskBudget::Parts{engine, images, builder, store});
    std::optional<server::AuditLog> audit;
    if (!options.audit_log.empty()) audit.emplace(options.audit_log);
    std::optional<TlsGate> gate;
    if (options.tls.enabled || options.tls.verify)
        gate.emplace(with_default_files(options.tls), join(programs, "hull-tls"),
                     join(options.exec_root, "tls"));
    // What hull-buildkit may ask for; nobody else comes by it.
    std::vector<server::Door> all_doors = doors;
    all_doors.push_back({"hull-buildkit's connection", server::Rights::build, {}});
    server::BuildkitGate buildkit(
        {join(programs, "hull-buildkit"), options.data_root, options.exec_root});
    const server::Api api({engine, images, builder, engine.info().driver, all_doors,
                           audit ? &*audit : nullptr, &buildkit});
    http::Server server([&](http::Exchange& exchange) { api.handle(exchange); }, server_limits());
    listen(server, options, gate ? &*gate : nullptr, doors);
    buildkit.set_serve([&server, door = static_cast<int>(all_doors.size())](Fd connection) {
        server.serve(std::move(connection), door);
    });
    ::malloc_trim(0);
    log::info("hulld {} started, data in {}", HULL_VERSION, options.data_root);
    Locked<Reloadable> reloadable(Reloadable{options.live_restore, options.shutdown_timeout_s});
    {
        const ReloadThread reloads([&] {
            try {
                apply_reload(read_again(), engine, images, reloadable);
            } catch (const UsageError& error) {
                log::error("the configuration stays as it was: {}", error.message);
            } catch (const std::exception& error) {
                log::error("the configuration stays as it was: {}", error.what());
            }
        });
        server.run(stop);
    }
    buildkit.stop();
    const Reloadable last = [&] {
        const auto locked = reloadable.lock();
        return *locked;
    }();
    if (!last.live_restore) engine.shut_down(last.shutdown_timeout_s);
    networks.clean_up();
    log::info("{}", last.live_restore ? "stopped; containers go on running" : "stopped");
    sys::unlink(pidfile);
}

/// What would keep the daemon from starting, without touching anything.
void validate(const Options& options) {
    (void)network_options(options);
    for (const std::string& host : options.hosts)
        if (!is_tcp(host) && !is_activated(host)) (void)unix_path(host);
    for (const std::string& text : options.sockets) (void)server::parse_door(text);
    (void)parse_storage_driver(options.storage_driver);
    if (!options.shm_size.empty()) (void)parse_size(options.shm_size);
    if (options.group_given && !find_group(options.group))
        throw Error(ErrorKind::invalid_argument, "group {} not found", options.group);
}

/// Of the command line and the configuration file. Throws UsageError or Error.
Options read_options(const std::vector<std::string>& arguments) {
    Options options;
    std::vector<const Flag*> given;
    parse_arguments(arguments, options, given);
    const bool default_file = !options.config_file;
    const Path file = options.config_file.value_or("/etc/hull/daemon.json");
    if (!default_file || sys::find_stat(file))
        with_context([&] { read_config_file(file, options, given); },
                     "unable to configure the daemon with file {}", file);
    if (options.hosts.empty()) options.hosts.push_back(default_host);
    return options;
}

int main(const std::vector<std::string>& arguments) {
    for (const std::string& argument : arguments) {
        if (argument == "--help" || argument == "-h") {
            std::fputs(help().c_str(), stdout);
            return 0;
        }
        if (argument == "--version" || argument == "-v") {
            std::puts("Hull version " HULL_VERSION);
            return 0;
        }
    }
    Options options;
    try {
        options = read_options(arguments);
        log::set_level(options.debug ? log::Level::debug : parse_level(options.log_level));
        if (options.only_validate) {
            validate(options);
            std::puts("configuration OK");
            return 0;
        }
    } catch (const UsageError& error) {
        fmt::print(stderr, "{}\nSee 'hulld --help'.\n", error.message);
        return 125;
    } catch (const Error& error) {
        fmt::print(stderr, "{}\n", error.message());
        return 1;
    }
    try {
        run(options, [&] { return read_options(arguments); });
        return 0;
    } catch (const std::exception& error) {
        fmt::print(stderr, "failed to start daemon: {}\n", error.what());
        return 1;
    }
}

}  // namespace

}  // namespace hull

int main(int count, char** values) { return hull::main({values + 1, values + count}); }
