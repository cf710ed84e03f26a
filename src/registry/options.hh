#pragma once
#include "base/file.hh"
#include "base/log.hh"
#include "registry/api.hh"
#include "registry/collector.hh"
#include "registry/upstream.hh"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace hull::registry {

/// What the command line says.
struct Options {
    Path data = "/var/lib/hull-registry";
    std::vector<std::string> listen;  ///< HOST:PORT
    std::optional<unsigned> user;     ///< to be when started as root
    ApiOptions api;
    std::int64_t upload_age_s = 24 * 3600;
    std::size_t connections = 4096;

    Path tls_certificate, tls_key, client_authority;
    AuthOptions auth;
    Path htpasswd, rights, token_keys;
    std::string access_log;  ///< a file, "-" for standard output, "" for none
    std::vector<Quotas::Limit> quotas;
    Collector::Options collector;
    std::int64_t collect_every_s = 24 * 3600;  ///< 0: only when asked
    UpstreamOptions upstream;
    Path store;  ///< an engine's data root to serve; "" for the data directory
    Path upstream_password_file, upstream_authority;

    log::Level log_level = log::Level::info;
    bool show_help = false, show_version = false;
};

/// Throws invalid_argument for a wrong command line.
Options parse_options(std::span<const std::string> arguments);
std::string help_text();

/// `90`, `15m`, `24h`, `7d` in seconds. Throws invalid_argument.
std::int64_t parse_duration_s(const std::string& text);
/// `1000`, `64k`, `10g` (of 1024) in bytes. Throws invalid_argument.
std::uint64_t parse_bytes(const std::string& text);

}  // namespace hull::registry
